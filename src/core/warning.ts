/** Something that a target could not carry. Goes to the client (`x-turnpike-warnings`), and is not stored. */
export interface Warning {
  /** The parameter of the client's request, as the client spells it: `temperature`, `tools[0].strict`. */
  param: string;
  message: string;
}

/** The Responses API's word for reasoning that was withheld from a model that cannot take it. */
export interface InputTransformation {
  id: string;
  type: 'reasoning';
  action: 'removed';
  reason: RemovalReason;
}

export type RemovalReason = 'model_mismatch' | 'organization_mismatch' | 'prefix_mismatch' | 'turn_boundary';
