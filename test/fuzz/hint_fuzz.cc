// Hints, alone: whatever one says under right checksums, loading it stays in its bounds.
#include "native/core/coding.h"
#include "native/core/hint_loader.h"
#include "test/fuzz/fuzz.h"
#include "test/fuzz/mend.h"
#include "test/native/mem_env.h"

namespace crabkv::fuzz {

// How, then a hint; it is taken for one of the segment that it names.
FUZZ(hint) {
  Input from(input);
  const bool mend = from.Byte() % 4 != 0;
  std::string bytes(from.rest());
  if (mend) MendHint(&bytes);
  if (bytes.size() < HintHead::kBytes) return;
  HintIdentity identity;
  identity.number = 1;
  identity.salt = GetU64(bytes.data() + 32);
  identity.segment_bytes = GetU64(bytes.data() + 40);
  identity.hash_seed[0] = GetU64(bytes.data() + 48);
  identity.hash_seed[1] = GetU64(bytes.data() + 56);
  identity.kind = static_cast<SegmentKind>(GetU32(bytes.data() + 16));
  if (identity.kind != SegmentKind::kLog && identity.kind != SegmentKind::kCompacted) return;
  identity.number = GetU64(bytes.data() + 24);
  test::MemEnvOptions options;
  options.file_bytes_max = 1 << 20;
  test::MemEnv env(options);
  CHECK(env.CreateDirectory("/db").ok());
  env.SetContent("/db/" + HintFileName(identity.kind, identity.number), bytes);
  auto file = std::make_unique<HintFile>();
  bool missing = false;
  if (!file->Open(&env, "/db", identity, &missing)) return;
  const uint64_t entries = file->head.entries();
  SegmentTable segments;
  Index index(2, {}, &segments);
  const Segment* const segment =
      segments.Add(std::make_unique<Segment>(identity.number, identity.salt, uint64_t{1} << 20, "/db/segment"));
  HintLoader loader(&env, &index);
  loader.Add(std::move(file), segment->handle);
  uint32_t bad = 0;
  if (loader.Load(nullptr, &bad)) CHECK(index.KeyCount() <= entries);
}

}  // namespace crabkv::fuzz
