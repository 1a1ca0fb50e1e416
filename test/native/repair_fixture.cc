#include "test/native/repair_fixture.h"

#include <algorithm>
#include <map>

#include "native/core/coding.h"
#include "native/core/frame_reader.h"
#include "test/native/compaction_fixture.h"
#include "test/native/harness.h"

namespace crabkv::test {

Options RepairOptions(SyncMode mode) {
  Options options = SmallOptions(mode);
  options.auto_compaction = false;
  return options;
}

void Fill(Store* store) {
  for (int i = 0; i < 6; i++) {
    EXPECT_OK(WriteAndWait(store, {Put("old:" + std::to_string(i), std::string(90, 'o')), Delete("old:0")}));
  }
  EXPECT_OK(EndSegment(store));
  EXPECT_OK(WriteAndWait(store, {Put("old:1", "again"), Expire("old:2", 1'900'000'000'000)}));
  EXPECT_OK(EndSegment(store));
  EXPECT_OK(CompactRun(store, 0, 2));
  EXPECT_OK(WriteAndWait(store, {Put("new:1", "one"), Put("new:2", "two"), Put("old:1", "third time")}));
  EXPECT_OK(EndSegment(store));
  EXPECT_OK(WriteAndWait(store, {Put("new:3", "three")}));
  EXPECT_OK(WriteAndWait(store, {Put("new:2", "two again"), Expire("new:1", 1'950'000'000'000)}));
  // Batches of one frame.
  Commit commit;
  EXPECT_OK(Write(store, {Put("frame:1", "a"), Put("frame:2", "b")}, &commit));
  EXPECT_OK(Write(store, {Put("frame:1", "c"), Delete("new:3"), Put("frame:3", "d")}, &commit));
  EXPECT_OK(Write(store, {Put("frame:4", "e")}, &commit));
  EXPECT_OK(Write(store, {Put("frame:2", "f"), Put("frame:4", "g")}, &commit));
  EXPECT_OK(WriteAndWait(store, {Delete("old:4")}));
}

std::unique_ptr<MemEnv> FilledAndClosed() {
  MemEnv env;
  auto store = OpenStore(&env, RepairOptions());
  if (store == nullptr) return nullptr;
  Fill(store.get());
  EXPECT_OK(store->Close());
  return env.KillProcess();
}

std::string NameOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool IsSegment(const std::string& name) {
  uint64_t number = 0;
  return ParseSegmentFileName(name, &number) || ParseCompactedFileName(name, &number);
}

std::string LastLog(MemEnv* env) {
  std::string last;
  uint64_t number = 0;
  for (const std::string& path : env->AllFiles()) {
    if (ParseSegmentFileName(NameOf(path), &number)) last = std::max(last, NameOf(path));
  }
  return last;
}

namespace {

Change ChangeOf(const RecordHeader& record, std::string_view bytes) {
  Change change;
  change.key = bytes.substr(RecordHeader::kBytes, record.key_bytes);
  change.expires_at_ms = record.expires_at_ms;
  if (record.type == RecordType::kDelete) {
    change.kind = Change::Kind::kDelete;
  } else if (record.type == RecordType::kExpire) {
    change.kind = Change::Kind::kExpire;
  } else {
    change.value.resize(record.raw_bytes);
    EXPECT(CopyValue(record, bytes, change.value.data()));
  }
  return change;
}

void AddRecordsOf(MemEnv* env, const std::string& path, Records* records) {
  std::unique_ptr<File> file;
  std::string content;
  REQUIRE(env->Content(path, &content));
  REQUIRE_OK(env->OpenFile(path, OpenMode::kRead, &file));
  SegmentHeader header;
  REQUIRE_OK(DecodeSegmentHeader(content, path, &header));
  FrameReader reader(file.get(), path, header.salt, SegmentHeader::kBytes, content.size());
  FrameReader::Result result = FrameReader::Result::kFrame;
  for (;;) {
    Frame frame;
    std::string why;
    REQUIRE_OK(reader.Next(&result, &frame, &why));
    if (result != FrameReader::Result::kFrame) return;
    size_t batch_begin = records->size();
    if (frame.header.count == 0) continue;
    ForEachRecord(frame.payload, [&](const RecordHeader& record, uint64_t at) {
      PlacedRecord placed;
      placed.file = NameOf(path);
      placed.begin = frame.offset + FrameHeader::kBytes + at;
      placed.end = placed.begin + RecordHeader::kBytes + record.key_bytes + record.stored_bytes;
      placed.lsn = record.lsn;
      placed.frame = frame.offset;
      placed.change = ChangeOf(record, frame.payload.substr(at));
      records->push_back(placed);
      const bool alone = header.kind == SegmentKind::kCompacted;
      if (!alone && (record.flags & kRecordEndOfBatch) == 0) return;
      for (; batch_begin < records->size(); batch_begin++) (*records)[batch_begin].batch = record.lsn;
    });
  }
}

std::map<std::string, std::string> FilesIn(MemEnv* env, const std::string& directory) {
  std::map<std::string, std::string> files;
  for (const std::string& path : env->AllFiles()) {
    if (path.compare(0, directory.size() + 1, directory + "/") == 0) env->Content(path, &files[path]);
  }
  return files;
}

}  // namespace

Records RecordsOf(MemEnv* env) {
  Records records;
  for (const std::string& path : env->AllFiles()) {
    if (path.rfind(std::string(kDirectory) + "/", 0) == 0 && IsSegment(NameOf(path))) AddRecordsOf(env, path, &records);
  }
  std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) { return a.lsn < b.lsn; });
  return records;
}

Records WithoutRange(const Records& records, const std::string& file, uint64_t begin, uint64_t end) {
  Records left = records;
  const auto lose = [&left](uint64_t batch) {
    left.erase(std::remove_if(left.begin(), left.end(), [&](const auto& r) { return r.batch == batch; }), left.end());
  };
  for (size_t i = 0; i < records.size(); i++) {
    const PlacedRecord& hit = records[i];
    if (hit.file != file || hit.end <= begin || end <= hit.begin) continue;
    lose(hit.batch);
    if (i + 1 == records.size()) continue;
    const PlacedRecord& next = records[i + 1];
    const bool in_log = file.find(".log") != std::string::npos;
    if (in_log && hit.lsn == hit.batch && next.file == file && next.frame == hit.frame) lose(next.batch);
  }
  return left;
}

Records WithoutFile(const Records& records, const std::string& file) {
  return WithoutRange(records, file, 0, UINT64_MAX);
}

Contents ContentsOf(const Records& records) {
  ModelLog log;
  for (const PlacedRecord& record : records) {
    Commit commit;
    commit.version = record.lsn;
    log.Add(commit, {record.change});
  }
  return log.At(UINT64_MAX);
}

void ExpectRepaired(MemEnv* env, const Records& left, RepairReport* report) {
  const auto before = FilesIn(env, kDirectory);
  *report = RepairReport();
  REQUIRE_OK(RepairDirectory(env, kDirectory, kRepaired, kGoOn, report));
  EXPECT(FilesIn(env, kDirectory) == before);
  Contents contents;
  if (!EXPECT(ReadReadOnly(env, kRepaired, &contents))) return;
  EXPECT_EQ(Difference(ContentsOf(left), contents), "the same");
  VerifyReport verified;
  EXPECT_OK(VerifyDirectory(env, kRepaired, kGoOn, &verified));
  EXPECT_EQ(verified.fault_count, 0u);
  EXPECT(verified.unfinished_file.empty());
  bool exists = true;
  EXPECT_OK(env->Exists(std::string(kRepaired) + ".partial", &exists));
  EXPECT(!exists);
  RemoveAll(env, kRepaired);
}

bool ReadReadOnly(Env* env, const std::string& directory, Contents* contents) {
  Options options = RepairOptions();
  options.read_only = true;
  std::shared_ptr<Store> store;
  if (!Store::Open(env, directory, options, &store).ok()) return false;
  return EXPECT_OK(ReadAll(store.get(), contents));
}

std::vector<std::string> KeysInLogOrder(Env* env, const std::string& directory) {
  Options options = RepairOptions();
  options.read_only = true;
  std::shared_ptr<Store> store;
  std::unique_ptr<Scan> scan;
  std::vector<std::string> keys;
  if (!EXPECT_OK(Store::Open(env, directory, options, &store)) || !EXPECT_OK(store->NewScan(ScanOptions(), &scan))) {
    return keys;
  }
  for (bool done = false; !done;) {
    ReadBuffer chunk;
    uint32_t entries = 0;
    if (!EXPECT_OK(scan->Next(1000, 1 << 20, &chunk, &entries, &done))) return keys;
    const char* at = chunk.data();
    for (; entries > 0; entries--) {
      keys.emplace_back(at + 24, GetU32(at));
      at += 24 + GetU32(at) + GetU32(at + 4);
    }
  }
  return keys;
}

void RemoveAll(Env* env, const std::string& directory) {
  std::vector<std::string> names;
  EXPECT_OK(env->ListDirectory(directory, &names));
  for (const std::string& name : names) EXPECT_OK(env->Remove(directory + "/" + name));
  EXPECT_OK(env->RemoveDirectory(directory));
}

void Damage(MemEnv* env, const std::string& text) {
  for (const std::string& path : env->AllFiles()) {
    std::string content;
    const size_t at = env->Content(path, &content) ? content.find(text) : std::string::npos;
    if (at == std::string::npos) continue;
    content[at + text.size() - 1] = static_cast<char>(content[at + text.size() - 1] ^ 1);
    return env->SetContent(path, content);
  }
  Fail(__FILE__, __LINE__, text + " is in no file");
}

}  // namespace crabkv::test
