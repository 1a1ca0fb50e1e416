// A MANIFEST in which one number is as high as it can be, with every checksum right: an opening for writing refuses it,
// or what it makes of it is a store that opens again.
#include <functional>

#include "native/core/manifest.h"
#include "native/core/restore.h"
#include "test/native/compaction_fixture.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

// Four log segments, of which so many are compacted; what is written goes into a fifth.
std::unique_ptr<MemEnv> Made(bool clean, uint64_t compacted) {
  MemEnv env;
  auto store = OpenStore(&env, ManualOptions());
  for (int segment = 0; segment < 4; segment++) {
    EXPECT_OK(WriteAndWait(store.get(), {Put("key:" + std::to_string(segment), "v"), Put("every", "w")}));
    EXPECT_OK(EndSegment(store.get()));
  }
  EXPECT_OK(CompactRun(store.get(), 0, compacted));
  auto killed = env.KillProcess();
  EXPECT_OK(store->Close());
  return clean ? env.KillProcess() : std::move(killed);
}

struct Number {
  const char* name;
  std::function<void(ManifestState*, uint64_t)> set;
};

const std::vector<Number>& Numbers() {
  static const std::vector<Number>* const numbers = new std::vector<Number>{
      {"epoch", [](ManifestState* state, uint64_t n) { state->epoch = static_cast<uint32_t>(n); }},
      {"first LSN", [](ManifestState* state, uint64_t n) { state->epoch_first_lsn = n; }},
      {"cut segment", [](ManifestState* state, uint64_t n) { state->cut.segment = n; }},
      {"cut offset", [](ManifestState* state, uint64_t n) { state->cut.offset = n; }},
      {"next segment", [](ManifestState* state, uint64_t n) { state->cut.next_segment = n; }},
      {"cut",
       [](ManifestState* state, uint64_t n) {
         state->cut = {n - 1, 0, n};
       }},
      {"clock", [](ManifestState* state, uint64_t n) { state->clock_ms = n; }},
      {"last LSN", [](ManifestState* state, uint64_t n) { state->clean_last_lsn = n; }},
      {"number", [](ManifestState* state, uint64_t n) { state->compacted[0].number = n; }},
      {"lowest LSN", [](ManifestState* state, uint64_t n) { state->compacted[0].min_lsn = n; }},
      {"highest LSN", [](ManifestState* state, uint64_t n) { state->compacted[0].max_lsn = n; }},
      {"horizon", [](ManifestState* state, uint64_t n) { state->compacted[0].horizon = n; }},
      {"bytes", [](ManifestState* state, uint64_t n) { state->compacted[0].bytes = n; }},
      {"first log", [](ManifestState* state, uint64_t n) { state->compacted[0].first_log = n; }},
      {"last log", [](ManifestState* state, uint64_t n) { state->compacted[0].last_log = n; }},
      {"epoch of the last log",
       [](ManifestState* state, uint64_t n) { state->compacted[0].last_log_epoch = static_cast<uint32_t>(n); }},
  };
  return *numbers;
}

constexpr uint64_t kExtremes[] = {0,         1, 1 << 20, UINT32_MAX - 1, UINT32_MAX, uint64_t{1} << 63, UINT64_MAX - 1,
                                  UINT64_MAX};

// Null where the MANIFEST can't be ended so.
std::unique_ptr<MemEnv> Forged(MemEnv* made, const Number& number, uint64_t n) {
  auto env = made->KillProcess();
  ManifestState state;
  EXPECT_OK(Manifest::Load(env.get(), kDirectory, &state));
  const bool clean = state.clean;
  number.set(&state, n);
  EXPECT_OK(Manifest::Write(env.get(), kDirectory, state));
  if (clean && !Manifest::AppendClean(env.get(), kDirectory, state).ok()) return nullptr;
  return env;
}

// Whether it opened for writing.
bool GoesOn(MemEnv* env) {
  std::shared_ptr<Store> store;
  if (!Store::Open(env, kDirectory, ManualOptions(), &store).ok()) return false;
  Contents written, again;
  EXPECT_OK(WriteAndWait(store.get(), {Put("and", "on")}));
  EXPECT_OK(ReadAll(store.get(), &written));
  EXPECT_OK(store->Close());
  Options reading = ManualOptions();
  reading.read_only = true;
  store = OpenStore(env, reading);
  if (store == nullptr) return true;
  EXPECT_OK(ReadAll(store.get(), &again));
  EXPECT_EQ(Difference(written, again), "the same");
  return true;
}

TEST(A_MANIFEST_with_a_number_as_high_as_can_be_is_refused_or_goes_on) {
  int opened = 0, refused = 0;
  for (const bool clean : {true, false}) {
    for (const uint64_t compacted : {2U, 4U}) {
      auto made = Made(clean, compacted);
      for (const Number& number : Numbers()) {
        for (const uint64_t n : kExtremes) {
          const Context context(std::string(clean ? "closed, " : "killed, ") + std::to_string(compacted) +
                                " compacted, " + number.name + " " + std::to_string(n));
          const auto env = Forged(made.get(), number, n);
          if (env == nullptr) continue;
          GoesOn(env.get()) ? opened++ : refused++;
        }
      }
    }
  }
  EXPECT(opened > 100);
  EXPECT(refused > 100);
}

TEST(A_backup_of_the_last_epoch_is_not_restored) {
  MemEnv env;
  auto store = OpenStore(&env, ManualOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("k", "v")}));
  EXPECT_OK(store->Close());
  store.reset();
  ManifestState state;
  EXPECT_OK(Manifest::Load(&env, kDirectory, &state));
  state.epoch = UINT32_MAX;
  state.is_backup = true;
  state.backup_wall_ms = 1;
  EXPECT_OK(Manifest::Write(&env, kDirectory, state));
  RestoreReport report;
  const Status status = RestoreBackup(
      &env, kDirectory, "/restored", [](uint64_t) { return true; }, &report);
  EXPECT_EQ(status.code(), Code::kFormat);
  EXPECT_EQ(status.message(), "/db/MANIFEST: the store is at epoch 4294967295, too high to go on");
}

}  // namespace
}  // namespace crabkv::test
