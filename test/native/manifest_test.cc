// How large a MANIFEST may be: what is written can be read.
#include "native/core/manifest.h"

#include "native/core/slot_table.h"
#include "test/native/harness.h"
#include "test/native/mem_env.h"

namespace crabkv::test {
namespace {

ManifestState WithCompacted(uint64_t count) {
  ManifestState state;
  state.epoch = 1;
  state.compacted.resize(count);
  for (uint64_t i = 0; i < count; i++) {
    state.compacted[i].number = i + 1;
    state.compacted[i].last_log_epoch = 1;
  }
  return state;
}

TEST(A_MANIFEST_of_as_many_segments_as_a_store_may_have_can_be_read) {
  MemEnv env;
  EXPECT_OK(env.CreateDirectory("/db"));
  const ManifestState full = WithCompacted(Location::kSegmentHandleMax);
  EXPECT_OK(Manifest::Write(&env, "/db", full));
  EXPECT_OK(Manifest::AppendClean(&env, "/db", full));
  ManifestState read;
  EXPECT_OK(Manifest::Load(&env, "/db", &read));
  EXPECT(read.clean);
  REQUIRE(read.compacted.size() == full.compacted.size());
  EXPECT_EQ(read.compacted.back().number, full.compacted.back().number);
}

TEST(A_MANIFEST_that_could_not_be_read_does_not_replace_the_one_that_is_there) {
  MemEnv env;
  EXPECT_OK(env.CreateDirectory("/db"));
  EXPECT_OK(Manifest::Write(&env, "/db", WithCompacted(3)));
  bool unsure = true;
  EXPECT_CODE(Manifest::Write(&env, "/db", WithCompacted(Location::kSegmentHandleMax + 100), &unsure), Code::kFormat);
  EXPECT(!unsure);
  ManifestState read;
  EXPECT_OK(Manifest::Load(&env, "/db", &read));
  EXPECT_EQ(read.compacted.size(), 3u);
}

}  // namespace
}  // namespace crabkv::test
