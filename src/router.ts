// Which shard owns which slot. The core hashes keys to slots and takes this table at open; the table is not stored, so any
// number of shards can be asked for at any open. From then on the core is the truth of who has what: rebalancing moves slots
// (rebalance-policy.ts says which), from whatever handle or thread.

/** Slots of every store; as kSlotCount in native/core/options.h. */
export const SLOT_COUNT = 16_384;

/**
 * The shard of each slot. Loads differ by one slot at most, and going from n to n + 1 shards moves floor(16384 / (n + 1))
 * slots, all of them to the new shard: as few as balance allows.
 */
export function slotTable(shards: number): Uint16Array {
  const owned: number[][] = [Array.from({ length: SLOT_COUNT }, (_, slot) => slot)];
  for (let added = 1; added < shards; added++) {
    const share = Math.floor(SLOT_COUNT / (added + 1));
    const withOneMore = SLOT_COUNT % (added + 1);
    const moved: number[] = [];
    // Each old shard keeps its new share: the first ones share + 1, the others share. None of them has fewer.
    for (let shard = 0; shard < added; shard++) {
      const slots = owned[shard]!;
      const kept = share + (shard < withOneMore ? 1 : 0);
      while (slots.length > kept) moved.push(slots.pop()!);
    }
    owned.push(moved);
  }
  const table = new Uint16Array(SLOT_COUNT);
  owned.forEach((slots, shard) => {
    for (const slot of slots) table[slot] = shard;
  });
  return table;
}
