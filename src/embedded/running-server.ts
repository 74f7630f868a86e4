/** An embedded server that answers. */
export interface RunningServer {
  url: string;
  stop(): Promise<void>;
}
