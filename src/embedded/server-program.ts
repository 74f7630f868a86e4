/** One of the servers we run as a child process. */
export interface ServerProgram {
  /** For people: "PostgreSQL", "Redis". */
  name: string;
  command: string;
  args: string[];
  uid?: number;
  gid?: number;
  /** Written to its standard input; for what must not be seen in the list of processes. */
  input?: string;
  /** Everything it says is appended here. */
  logFile: string;
  /** Where its process is written down while it runs. */
  recordFile: string;
  /** Whether it answers; throws when it never will. */
  isReady(): Promise<boolean>;
}
