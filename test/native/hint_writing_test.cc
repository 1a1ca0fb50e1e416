// When hints are written, and by whom: by the idle compactor, by a compaction, by nobody when the disk refuses. The
// bytes are those that reading the segment gives.
#include <algorithm>
#include <cerrno>
#include <map>
#include <thread>

#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/hint_fixture.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

// Of the hints, or of them and the segments. The next segment, made ahead, holds nothing but its header and is none
// yet.
uint64_t BytesOf(const MemEnv& env, bool hints_only) {
  uint64_t bytes = 0;
  for (const std::string& path : env.AllFiles()) {
    const std::string suffix = path.substr(path.rfind('.') + 1);
    std::string content;
    if (suffix == "hint" || (!hints_only && (suffix == "log" || suffix == "seg"))) env.Content(path, &content);
    if (content.size() > SegmentHeader::kBytes) bytes += content.size();
  }
  return bytes;
}

TEST(Hints_are_written_while_the_log_is_quiet) {
  MemEnv env;
  Random random;
  auto store = OpenStore(&env, HintOptions());
  REQUIRE(store != nullptr);
  Work(store.get(), &random, 1000, false);
  EXPECT_EQ(store->Stats().hinted_segments, 0u);
  LetHintsBeWritten(&env, store.get());
  // What is on its way is on the disk before it counts: one more hint, and space made ahead of the log.
  StoreStats stats = store->Stats();
  for (int i = 0; i < 400 && (stats.hint_bytes != BytesOf(env, true) || stats.disk_bytes != BytesOf(env, false)); i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    stats = store->Stats();
  }
  EXPECT(stats.hinted_segments >= 2);
  EXPECT_EQ(stats.hinted_segments, HintNames(env).size());
  EXPECT_EQ(stats.hint_bytes, BytesOf(env, true));
  EXPECT_EQ(stats.disk_bytes, BytesOf(env, false));
  auto killed = env.KillProcess();
  ExpectSame(*killed, "killed");
  EXPECT_OK(store->Close());
}

TEST(A_hint_that_compaction_writes_is_the_one_that_reading_gives) {
  Random random;
  auto env = Closed(&random, false);
  REQUIRE(env != nullptr);
  auto store = OpenStore(env.get(), HintOptions());
  REQUIRE(store != nullptr);
  EXPECT_OK(CompactRun(store.get(), 0, 100));
  const std::vector<std::string> names = HintNames(*env);
  EXPECT_EQ(names.size(), store->Stats().hinted_segments);
  std::map<std::string, std::string> contents;
  for (const std::string& name : names) {
    EXPECT(env->Content(PathOf(name), &contents[name]));
  }
  EXPECT(std::any_of(names.begin(), names.end(), [](auto& name) { return name.find(".seg") != std::string::npos; }));
  EXPECT_OK(store->Close());
  store.reset();
  RemoveHints(env.get());
  store = OpenStore(env.get(), HintOptions());
  REQUIRE(store != nullptr);
  EXPECT_OK(store->Close());
  for (const std::string& name : names) {
    std::string content;
    EXPECT(env->Content(PathOf(name), &content));
    EXPECT(content == contents[name]);
  }
}

TEST(A_hint_that_cant_be_written_is_done_without) {
  Random random;
  for (const uint32_t kind : {kOpenCall, kWriteCall, kRenameCall, kRemoveCall}) {
    MemEnv memory;
    FaultEnv env(&memory);
    Fault fault;
    fault.kinds = kind;
    fault.path_part = ".hint";
    fault.error = ENOSPC;
    fault.forever = true;
    env.Inject(fault);
    auto store = OpenStore(&env, HintOptions());
    REQUIRE(store != nullptr);
    Work(store.get(), &random, 1000, true);
    EXPECT_OK(store->Close());
    store = OpenStore(&env, HintOptions());
    REQUIRE(store != nullptr);
    if (kind != kRemoveCall) EXPECT_EQ(store->Stats().open_hinted_segments, 0u);
    Contents contents;
    EXPECT_OK(ReadAll(store.get(), &contents));
    EXPECT_OK(store->Close());
  }
}

}  // namespace
}  // namespace crabkv::test
