// The slot tables against std::map, the index's snapshots and undoing against copies made by hand, and the memory that
// a million keys take.
#include "native/core/index.h"

#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "native/core/index_filler.h"
#include "test/native/harness.h"

namespace crabkv::test {
namespace {

struct Less {
  bool operator()(const Fingerprint& a, const Fingerprint& b) const { return a < b; }
};
using Reference = std::map<Fingerprint, uint64_t, Less>;

// Few different values of the highest word, so that runs get long and fingerprints differ in each word only. (Not the
// highest values: more than a few equal ones there have no room behind them, which a keyed hash never gives.)
Fingerprint RandomFingerprint(Random* random, uint64_t spread) {
  Fingerprint fingerprint;
  fingerprint.high = static_cast<uint32_t>(random->Below(spread) * ((uint64_t{1} << 32) / (spread + 1)));
  fingerprint.middle = static_cast<uint32_t>(random->Below(4));
  fingerprint.low = static_cast<uint32_t>(random->Below(64));
  return fingerprint;
}

bool SameAs(const FingerprintTable& table, const Reference& reference) {
  if (!EXPECT_EQ(table.count(), reference.size())) return false;
  auto expected = reference.begin();
  bool same = true;
  table.ForEach([&](const Fingerprint& fingerprint, uint64_t value) {
    same = same && expected != reference.end() && expected->first == fingerprint && expected->second == value;
    if (expected != reference.end()) ++expected;
  });
  return EXPECT(same && expected == reference.end());
}

TEST(A_slot_table_holds_what_a_map_holds) {
  Random random;
  for (uint64_t round = 0; round < Rounds(60); round++) {
    const Context context("round " + std::to_string(round));
    const uint64_t spread = round % 3 == 0 ? 1 : round % 3 == 1 ? 7 : 100'000;
    FingerprintTable table;
    Reference reference;
    if (random.OneIn(3)) table.Reserve(static_cast<uint32_t>(random.Below(500)));
    for (int phase = 0; phase < 6; phase++) {
      const bool grows = phase % 2 == 0;
      for (uint64_t i = random.Below(800); i > 0; i--) {
        const Fingerprint fingerprint = RandomFingerprint(&random, spread);
        const auto found = reference.find(fingerprint);
        const uint64_t there = found == reference.end() ? 0 : found->second;
        EXPECT_EQ(table.Find(fingerprint), there);
        if (random.Below(10) < (grows ? 8u : 2u)) {
          const uint64_t value = 1 + random.Next() / 2;
          EXPECT_EQ(table.Put(fingerprint, value), there);
          reference[fingerprint] = value;
        } else {
          EXPECT_EQ(table.Erase(fingerprint), there);
          reference.erase(fingerprint);
        }
      }
      if (!SameAs(table, reference)) return;
      const FingerprintTable copy = table;
      if (!SameAs(copy, reference)) return;
    }
    while (!reference.empty()) {
      EXPECT_EQ(table.Erase(reference.begin()->first), reference.begin()->second);
      reference.erase(reference.begin());
    }
    EXPECT_EQ(table.count(), 0u);
    EXPECT_EQ(table.memory_bytes(), 0u);
  }
}

TEST(A_table_gives_back_the_memory_of_keys_that_are_gone) {
  Random random;
  FingerprintTable table;
  std::vector<Fingerprint> all;
  for (uint32_t i = 0; i < 10'000; i++) {
    all.push_back({static_cast<uint32_t>(random.Next()), static_cast<uint32_t>(random.Next()), i});
    table.Put(all.back(), 1);
  }
  const uint64_t full = table.memory_bytes();
  while (all.size() > 100) {
    table.Erase(all.back());
    all.pop_back();
  }
  EXPECT(table.memory_bytes() < full / 10);
  for (const Fingerprint& fingerprint : all) EXPECT_EQ(table.Find(fingerprint), 1u);
}

// --- The whole index.

constexpr uint64_t kSeed[2] = {1, 2};

class Indexed {
 public:
  Indexed() : index_(16, {}, &segments_) { segments_.Add(std::make_unique<Segment>(1, 1, 1 << 20, "1")); }
  Index& index() { return index_; }

  // A PUT (a new location), a deletion or a new deadline, as a write would apply it.
  void Apply(const KeyHash& hash, bool put, bool erase, uint64_t deadline_ms) {
    Index::SlotLatch latch(&index_, hash.slot);
    Location location = put ? Location::Make(1, 8 * ++offset_, 64, false) : index_.Find(hash);
    if (erase) location = Location();
    if (!put && !location && !erase) return;
    index_.Apply(hash, location, location ? deadline_ms : 0, ++lsn_, acknowledged_);
  }
  void Acknowledge() { acknowledged_ = lsn_; }
  // LSNs are not given out again, as in the log.
  void UndoUnacknowledged() { index_.UndoFrom(acknowledged_ + 1); }
  uint64_t next_lsn() const { return lsn_ + 1; }

  using State = std::vector<std::tuple<uint64_t, uint64_t>>;  // location and deadline of each key
  State Now(const std::vector<KeyHash>& keys) {
    State state;
    for (const KeyHash& hash : keys) {
      Index::SlotLatch latch(&index_, hash.slot);
      const Location location = index_.Find(hash);
      state.emplace_back(location.bits, index_.DeadlineOf(hash, location));
    }
    return state;
  }
  State In(const IndexSnapshot& snapshot, const std::vector<KeyHash>& keys) {
    State state;
    for (const KeyHash& hash : keys) {
      uint64_t deadline_ms = 0;
      const Location location = index_.FindInSnapshot(snapshot, hash, &deadline_ms);
      state.emplace_back(location.bits, deadline_ms);
    }
    return state;
  }

 private:
  SegmentTable segments_;
  Index index_;
  uint64_t lsn_ = 0;
  uint64_t acknowledged_ = 0;
  uint64_t offset_ = 16;
};

TEST(Undoing_leaves_the_index_and_its_snapshots_as_they_were_acknowledged_whatever_slots_moved) {
  Random random;
  std::vector<KeyHash> keys;
  for (int i = 0; i < 60; i++) keys.push_back(HashKey(kSeed, "key{" + std::to_string(i % 5) + "}" + std::to_string(i)));
  for (uint64_t round = 0; round < Rounds(40); round++) {
    const Context context("round " + std::to_string(round));
    Indexed indexed;
    Indexed::State acknowledged = indexed.Now(keys);
    // Snapshots, and what each must show: at first what there was when it was made.
    struct Kept {
      std::unique_ptr<IndexSnapshot> snapshot;
      Indexed::State shows;
      bool pending = false;  // some of what it shows may be undone yet
    };
    std::vector<Kept> kept;
    std::set<uint64_t> dead;  // places that the index has told of since it last took something back
    for (int step = 0; step < 200; step++) {
      const uint64_t what = random.Below(20);
      if (what == 0) {
        indexed.Acknowledge();
        acknowledged = indexed.Now(keys);
        for (Kept& one : kept) one.pending = false;
      } else if (what == 1) {
        indexed.UndoUnacknowledged();
        dead.clear();
        EXPECT(indexed.Now(keys) == acknowledged);
        for (Kept& one : kept) {
          if (one.pending) one.shows = acknowledged;
          one.pending = false;
        }
      } else if (what == 2 && kept.size() < 4) {
        Kept one;
        one.snapshot = indexed.index().TakeSnapshot([&] { return indexed.next_lsn(); });
        one.shows = indexed.Now(keys);
        one.pending = true;
        kept.push_back(std::move(one));
      } else if (what == 3 && !kept.empty()) {
        indexed.index().DropSnapshot(std::move(kept.front().snapshot));
        kept.erase(kept.begin());
      } else if (what == 4) {
        const uint16_t slot = keys[random.Below(keys.size())].slot;
        indexed.index().MoveSlot(slot, indexed.index().ShardIndexOf(slot), static_cast<uint32_t>(random.Below(16)));
      } else if (what == 5) {
        indexed.index().TakeDead([&](Location location) { dead.insert(location.bits >> 14); });
      } else {
        const KeyHash& hash = keys[random.Below(keys.size())];
        const uint64_t kind = random.Below(4);
        indexed.Apply(hash, kind < 2, kind == 2, random.OneIn(2) ? 1 + random.Below(1000) : 0);
      }
      for (const Kept& one : kept) {
        if (!EXPECT(indexed.In(*one.snapshot, keys) == one.shows)) return;
      }
      for (const auto& [bits, deadline_ms] : indexed.Now(keys)) {
        if (!EXPECT(dead.count(bits >> 14) == 0)) return;
      }
    }
    for (Kept& one : kept) indexed.index().DropSnapshot(std::move(one.snapshot));
  }
}

TEST(A_million_keys_take_at_most_32_bytes_each_and_60_with_a_deadline) {
  for (const bool deadlines : {false, true}) {
    SegmentTable segments;
    segments.Add(std::make_unique<Segment>(1, 1, 1 << 20, "1"));
    Index index(16, {}, &segments);
    constexpr uint64_t kKeys = 1'000'000;
    IndexFiller filler(&index);
    double worst = 0;
    for (uint64_t i = 0; i < kKeys; i++) {
      const KeyHash hash = HashKey(kSeed, std::to_string(i));
      filler.Begin(hash.slot, 0);
      filler.Put(hash.fingerprint, Location::Make(1, 1024, 160, false), deadlines ? 1'800'000'000'000 + i : 0);
      if ((i + 1) % 100'000 == 0 && i > 500'000)
        worst = std::max(worst, static_cast<double>(index.MeasureSizes().memory_bytes) / static_cast<double>(i + 1));
    }
    filler.Count();
    EXPECT_EQ(index.KeyCount(), kKeys);
    if (worst > (deadlines ? 60 : 32)) EXPECT_EQ(worst, deadlines ? 60.0 : 32.0);
    std::printf("       index: %.1f bytes a key%s\n", static_cast<double>(index.MeasureSizes().memory_bytes) / kKeys,
                deadlines ? " with a deadline" : "");
  }
}

}  // namespace
}  // namespace crabkv::test
