/** What the editor of a new workflow begins with: a definition that can be saved as it is. */
export const WORKFLOW_SKELETON = `{
  "name": "my-workflow",
  "title": "My Workflow",
  "entityType": "Member",
  "identifiers": [
    { "name": ":Email", "unique": true, "format": "email", "caseInsensitive": true }
  ],
  "attributes": [
    { "name": "First Name", "type": "ShortText", "maxLength": 100 },
    { "name": "Joined On", "type": "Date" }
  ],
  "steps": [
    {
      "name": "Import",
      "kind": "dataImport",
      "actions": [
        {
          "id": 1,
          "name": "Save",
          "inputs": ["First Name", "Joined On"],
          "required": ["First Name"],
          "primary": { "kind": "save" }
        }
      ]
    }
  ]
}
`;
