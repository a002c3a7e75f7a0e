/** Whole events of a stream, as they are sent, in the order of their sequence numbers and without a gap. */
export interface EventBatch {
  firstSequence: number;
  lastSequence: number;
  data: string;
}
