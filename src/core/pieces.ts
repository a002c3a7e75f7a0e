/** Bytes that come one piece after the other. */
export interface Pieces {
  push(piece: Buffer): void;
  /** Lets go of what is in front of the last `bytes`, as far as whole pieces of memory come free. */
  forgetBefore(bytes: number): void;
  /** All in one; not a copy where there is one piece. */
  whole(): Buffer;
}

const blockBytes = 4096;

/**
 * Keeps what comes. A piece takes several hundred bytes beside its own, and holds what was read with it: whoever sends it
 * byte by byte would be given hundreds of times what was sent. Few are kept as they are, which costs no copy; what comes
 * behind them is copied into blocks.
 * @param maxLoose pieces that are kept as they are.
 */
export function createPieces(maxLoose = 256): Pieces {
  const pieces: Buffer[] = [];
  let bytes = 0;
  /** The last piece, where it is ours to write to. */
  let block: Buffer | undefined;
  let filled = 0;

  function copy(piece: Buffer): void {
    for (let at = 0; at < piece.length;) {
      if (block === undefined || filled === blockBytes) {
        block = Buffer.allocUnsafe(blockBytes);
        filled = 0;
        pieces.push(block);
      }
      const copied = piece.copy(block, filled, at);
      at += copied;
      filled += copied;
    }
  }

  return {
    push(piece) {
      bytes += piece.length;
      if (pieces.length < maxLoose) pieces.push(piece);
      else copy(piece);
    },
    forgetBefore(kept) {
      for (let first = pieces[0]; first !== undefined && bytes - first.length >= kept; first = pieces[0]) {
        bytes -= first.length;
        pieces.shift();
      }
    },
    whole() {
      const [first] = pieces;
      return first?.length === bytes ? first : Buffer.concat(pieces, bytes);
    },
  };
}
