// What the tests of repairs share: a store with something of everything, the records of its files and where they lie,
// and what must be left of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "native/core/repair.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {

inline constexpr char kRepaired[] = "/repaired";
inline const StepDone kGoOn = [](uint64_t) { return true; };

Options RepairOptions(SyncMode mode = SyncMode::kAlways);

// A compacted segment and log segments behind it; batches, deletes, deadlines, versions of keys in both.
void Fill(Store* store);
// Null after a failure of the test.
std::unique_ptr<MemEnv> FilledAndClosed();

std::string NameOf(const std::string& path);
bool IsSegment(const std::string& name);
std::string LastLog(MemEnv* env);

// A record of the store and its bytes in a file (padding left out). Those with the same `batch` go together.
struct PlacedRecord {
  std::string file;
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t lsn = 0;
  uint64_t batch = 0;  // the LSN of its last record; in a compacted segment the record's own
  uint64_t frame = 0;  // where it begins
  Change change;
};
using Records = std::vector<PlacedRecord>;

// Of kDirectory, in the order of their LSNs. REQUIRES: the store is well.
Records RecordsOf(MemEnv* env);
// Without the batches that have a byte in [begin, end) of the file. When a batch's last record goes, so does the batch
// behind it in the frame: nobody can tell any more where that began.
Records WithoutRange(const Records& records, const std::string& file, uint64_t begin, uint64_t end);
Records WithoutFile(const Records& records, const std::string& file);
Contents ContentsOf(const Records& records);

// Repairs, and checks that the new store has exactly the contents of `left`, is well, and that the original is as it
// was.
void ExpectRepaired(MemEnv* env, const Records& left, RepairReport* report);
// False when it does not open.
bool ReadReadOnly(Env* env, const std::string& directory, Contents* contents);
std::vector<std::string> KeysInLogOrder(Env* env, const std::string& directory);
void RemoveAll(Env* env, const std::string& directory);
// Flips a bit where `text` is in a file.
void Damage(MemEnv* env, const std::string& text);

}  // namespace crabkv::test
