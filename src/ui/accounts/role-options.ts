import { USER_ROLES, type UserRole } from '../../auth/users/user-role.js';

const EXPLANATIONS: Readonly<Record<UserRole, string>> = {
  administrator: 'everything, configuration and users too',
  operator: 'starts imports, sees and manages them',
  viewer: 'sees imports',
};

/** The roles to choose from, each with what it may do. */
export function roleOptions(chosen: unknown) {
  return USER_ROLES.map((value) => ({
    value,
    explanation: EXPLANATIONS[value],
    selected: value === chosen,
  }));
}
