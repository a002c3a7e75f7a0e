/** Makes what belongs to a key once. `limit` keys are remembered at most: before one more, all are forgotten. */
export function remember<Value>(limit: number, make: (key: string) => Value): (key: string) => Value {
  const made = new Map<string, Value>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const value = make(key);
    if (made.size >= limit) made.clear();
    made.set(key, value);
    return value;
  };
}
