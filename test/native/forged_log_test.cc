// Files that say what no writer would, with every checksum right: verifying finds it and says what it is, and opening
// refuses or, where nothing durable is missing, shows what it showed before.
#include "native/core/verify.h"

#include "native/core/coding.h"
#include "test/native/compaction_fixture.h"
#include "test/native/forged_log.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

const StepDone kGoOn = [](uint64_t) { return true; };

// Three log segments, or a compacted one and three of the log; each of the log has two frames of records, and they hold
// the LSNs from 1 on.
std::unique_ptr<MemEnv> Closed(bool compacted) {
  MemEnv env;
  auto store = OpenStore(&env, ManualOptions());
  if (compacted) {
    EXPECT_OK(WriteAndWait(store.get(), {Put("old:1", "1"), Put("old:2", "2"), Delete("old:1")}));
    EXPECT_OK(EndSegment(store.get()));
    EXPECT_OK(WriteAndWait(store.get(), {Put("old:3", "3"), Expire("old:2", 1'900'000'000'000)}));
    EXPECT_OK(EndSegment(store.get()));
    EXPECT_OK(CompactRun(store.get(), 0, 2));
  }
  for (int segment = 0; segment < 3; segment++) {
    const std::string key = "key:" + std::to_string(segment);
    EXPECT_OK(WriteAndWait(store.get(), {Put(key + ":1", "one"), Put(key + ":2", "two")}));
    EXPECT_OK(WriteAndWait(store.get(), {Put(key + ":3", "three")}));
    if (segment < 2) EXPECT_OK(EndSegment(store.get()));
  }
  EXPECT_OK(store->Close());
  return env.KillProcess();
}

struct Lie {
  const char* found;  // a part of what verifying says; null: nothing
  Code refused;       // by an opening; kOk where it opens
  std::function<void(ForgedLog*)> tell;
};

std::string Describe(const VerifyReport& report) {
  std::string text = std::to_string(report.fault_count) + " faults";
  for (const Fault& fault : report.faults) text += "; " + fault.file + ": " + fault.what;
  return text;
}

Code OpenedAs(Env* env, Contents* contents) {
  Options options = ManualOptions();
  options.read_only = true;
  std::shared_ptr<Store> store;
  const Status status = Store::Open(env, kDirectory, options, &store);
  if (status.ok()) EXPECT_OK(ReadAll(store.get(), contents));
  return status.code();
}

void ExpectFound(bool compacted, const std::vector<Lie>& lies) {
  auto honest = Closed(compacted);
  Contents before;
  EXPECT_EQ(OpenedAs(honest.get(), &before), Code::kOk);
  for (size_t i = 0; i < lies.size(); i++) {
    const Lie& lie = lies[i];
    const Context context("lie " + std::to_string(i) + ", " + (lie.found == nullptr ? "none" : lie.found));
    auto env = honest->KillProcess();
    ForgedLog log(env.get());
    lie.tell(&log);
    log.Save();
    VerifyReport report;
    EXPECT_OK(VerifyDirectory(env.get(), kDirectory, kGoOn, &report));
    const std::string described = Describe(report);
    if (lie.found == nullptr) EXPECT_EQ(described, "0 faults");
    if (lie.found != nullptr && described.find(lie.found) == std::string::npos) Fail(__FILE__, __LINE__, described);
    Contents after;
    EXPECT_EQ(OpenedAs(env.get(), &after), lie.refused);
    if (lie.refused == Code::kOk) EXPECT_EQ(Difference(before, after), "the same");
  }
}

ForgedFrame* StartOf(ForgedSegment* segment) { return ForgedLog::Find(segment, FrameType::kStart); }
ForgedFrame* DataOf(ForgedSegment* segment, size_t n) { return ForgedLog::Find(segment, FrameType::kData, n); }

void Erase(ForgedSegment* segment, ForgedFrame* frame) {
  segment->frames.erase(segment->frames.begin() + (frame - segment->frames.data()));
}

template <typename Change>
void ChangeStart(ForgedSegment* segment, Change change) {
  ForgedFrame* const frame = StartOf(segment);
  StartPayload start = DecodeStart(frame->payload.data());
  change(&start);
  EncodeStart(start, frame->payload.data());
}

TEST(A_log_that_is_told_as_it_is_has_no_fault) {
  const Lie truth = {nullptr, Code::kOk, [](ForgedLog*) {}};
  ExpectFound(false, {truth});
  ExpectFound(true, {truth});
}

TEST(Frames_that_do_not_follow_each_other_are_found) {
  const auto middle = [](ForgedLog* log) { return &log->segments[1]; };
  ExpectFound(
      false,
      {
          {"a frame before this one is missing", Code::kCorruption,
           [&](ForgedLog* log) {
             DataOf(middle(log), 1)->linked = false, DataOf(middle(log), 1)->header.previous_crc++;
           }},
          {"a frame before this one is missing", Code::kCorruption,
           [&](ForgedLog* log) { DataOf(middle(log), 1)->header.epoch = 0; }},
          {"LSN 6 is missing", Code::kCorruption, [&](ForgedLog* log) { Erase(middle(log), DataOf(middle(log), 1)); }},
          {"LSNs 4 to 5 are missing", Code::kCorruption,
           [&](ForgedLog* log) { Erase(middle(log), DataOf(middle(log), 0)); }},
          {"its LSNs were given out before", Code::kCorruption,
           [&](ForgedLog* log) { ForgedLog::Renumber(middle(log), DataOf(middle(log), 1), 5); }},
          {"a START frame in the middle of a segment", Code::kCorruption,
           [&](ForgedLog* log) { middle(log)->frames.insert(middle(log)->frames.begin() + 2, *StartOf(middle(log))); }},
          {"the segment does not begin with a START frame", Code::kCorruption,
           [&](ForgedLog* log) { middle(log)->frames.erase(middle(log)->frames.begin()); }},
          {"a frame of epoch 99", Code::kCorruption,
           [&](ForgedLog* log) {
             for (size_t i = 2; i < middle(log)->frames.size(); i++) middle(log)->frames[i].header.epoch = 99;
             for (ForgedFrame& frame : log->segments[2].frames) frame.header.epoch = 99;
           }},
      });
}

TEST(A_frame_of_a_compacted_segment_is_none_of_the_log) {
  const auto become_block = [](ForgedFrame* frame) { frame->header.type = FrameType::kBlock; };
  ExpectFound(false, {
                         {"a frame that log segments do not have", Code::kCorruption,
                          [&](ForgedLog* log) { become_block(DataOf(&log->segments[1], 0)); }},
                         {"a frame that log segments do not have", Code::kCorruption,
                          [&](ForgedLog* log) { become_block(DataOf(&log->segments[2], 1)); }},
                         {"a frame that log segments do not have", Code::kCorruption,
                          [&](ForgedLog* log) {
                            ForgedFrame empty = *ForgedLog::Find(&log->segments[2], FrameType::kWatermark);
                            become_block(&empty);
                            log->segments[2].frames.insert(log->segments[2].frames.begin() + 1, empty);
                          }},
                         // Behind all that is durable it is what a crash left.
                         {nullptr, Code::kOk,
                          [&](ForgedLog* log) {
                            ForgedSegment* const last = &log->segments[2];
                            ForgedFrame unfinished = *DataOf(last, 1);
                            become_block(&unfinished);
                            ForgedLog::Renumber(last, &unfinished, 10);
                            ForgedLog::ChangeRecords(last, &unfinished, [](RecordHeader* record) {
                              record->expires_at_ms = 1'900'000'000'000;
                            });
                            last->frames.push_back(unfinished);
                            log->manifest.clean = false;
                          }},
                     });
}

TEST(Segments_that_do_not_follow_each_other_are_found) {
  const auto last = [](ForgedLog* log) { return &log->segments[2]; };
  ExpectFound(
      false,
      {
          {"which came before this one, is missing", Code::kCorruption,
           [&](ForgedLog* log) { ChangeStart(last(log), [](StartPayload* start) { start->previous_number = 77; }); }},
          {"which came before this one, is missing", Code::kCorruption,
           [&](ForgedLog* log) { ChangeStart(last(log), [](StartPayload* start) { start->previous_salt++; }); }},
          {"LSN 7 is missing", Code::kCorruption,
           [&](ForgedLog* log) { ChangeStart(last(log), [](StartPayload* start) { start->previous_last_lsn = 7; }); }},
          {"it does not continue what comes before it", Code::kCorruption,
           [&](ForgedLog* log) { ChangeStart(last(log), [](StartPayload* start) { start->previous_last_lsn = 5; }); }},
          {"it does not continue what comes before it", Code::kCorruption,
           [&](ForgedLog* log) { StartOf(last(log))->linked = false, StartOf(last(log))->header.previous_crc++; }},
          {"it does not continue what comes before it", Code::kCorruption,
           [&](ForgedLog* log) { StartOf(last(log))->header.epoch = 0; }},
          {"which came before this one, is missing", Code::kCorruption,
           [&](ForgedLog* log) {
             ChangeStart(&log->segments[0], [](StartPayload* start) { start->previous_number = 77; });
           }},
      });
}

TEST(An_end_that_is_not_where_it_was_is_found) {
  ExpectFound(false, {
                         {"the log does not end as it did then", Code::kCorruption,
                          [](ForgedLog* log) { log->ends_at_end = false, log->manifest.clean_last_crc++; }},
                         {"the log does not end as it did then", Code::kCorruption,
                          [](ForgedLog* log) { log->manifest.clean_last_lsn--; }},
                         {"it was durable farther: LSN 10 is missing", Code::kCorruption,
                          [](ForgedLog* log) { log->manifest.clean_last_lsn++; }},
                         {"it was durable farther: LSNs 10 to 12 are missing", Code::kCorruption,
                          [](ForgedLog* log) { log->manifest.clean_last_lsn += 3; }},
                         {"it was durable farther: LSN 9 is missing", Code::kCorruption,
                          [](ForgedLog* log) { Erase(&log->segments[2], DataOf(&log->segments[2], 1)); }},
                     });
}

TEST(A_segment_file_that_is_another_by_its_header_is_found) {
  ExpectFound(false, {
                         {"belongs to another store", Code::kFormat,
                          [](ForgedLog* log) { log->segments[1].header.store_id.low++; }},
                         {"the file is segment 55 by its header", Code::kCorruption,
                          [](ForgedLog* log) { log->segments[1].header.number = 55; }},
                         {"by its header", Code::kFormat,
                          [](ForgedLog* log) { log->segments[1].header.kind = SegmentKind::kCompacted; }},
                     });
  ExpectFound(true, {
                        {"belongs to another store", Code::kFormat,
                         [](ForgedLog* log) { log->segments[0].header.store_id.high++; }},
                        {"the file is segment 55 by its header", Code::kCorruption,
                         [](ForgedLog* log) { log->segments[0].header.number = 55; }},
                        {"by its header", Code::kCorruption,
                         [](ForgedLog* log) { log->segments[0].header.kind = SegmentKind::kLog; }},
                        {"is not the compacted segment that the MANIFEST lists", Code::kCorruption,
                         [](ForgedLog* log) { log->manifest.compacted[0].salt++; }},
                        {"is not the compacted segment that the MANIFEST lists", Code::kCorruption,
                         [](ForgedLog* log) { log->manifest.compacted[0].bytes++; }},
                    });
}

TEST(A_compacted_segment_that_does_not_hold_what_it_says_is_found) {
  const auto block = [](ForgedLog* log) { return ForgedLog::Find(&log->segments[0], FrameType::kBlock); };
  const auto change_seal = [](ForgedLog* log, uint64_t SealPayload::*count) {
    ForgedFrame* const frame = ForgedLog::Find(&log->segments[0], FrameType::kSeal);
    SealPayload seal = DecodeSeal(frame->payload.data());
    seal.*count += 1;
    EncodeSeal(seal, frame->payload.data());
  };
  ExpectFound(
      true,
      {
          {"a frame that compacted segments do not have", Code::kCorruption,
           [&](ForgedLog* log) {
             ForgedFrame watermark;
             watermark.header.type = FrameType::kWatermark;
             log->segments[0].frames.insert(log->segments[0].frames.begin(), watermark);
             log->manifest.compacted[0].bytes += FrameHeader::kBytes;
           }},
          {"a frame before this one is missing", Code::kOk,
           [&](ForgedLog* log) { block(log)->linked = false, block(log)->header.previous_crc++; }},
          {"a record's LSN is outside of what the segment owns", Code::kOk,
           [&](ForgedLog* log) {
             ForgedLog::ChangeRecords(&log->segments[0], block(log), [](RecordHeader* record) { record->lsn += 1000; });
           }},
          {"its SEAL counts other records", Code::kOk, [&](ForgedLog* log) { change_seal(log, &SealPayload::puts); }},
          {"its SEAL counts other records", Code::kOk,
           [&](ForgedLog* log) { change_seal(log, &SealPayload::deletes); }},
          {"its SEAL counts other records", Code::kOk,
           [&](ForgedLog* log) { change_seal(log, &SealPayload::expires); }},
          {"its trailer fails its CRC", Code::kOk, [&](ForgedLog* log) { log->segments[0].trailer_shift = 8; }},
          {"the segment ends without a SEAL", Code::kCorruption,
           [&](ForgedLog* log) { log->segments[0].frames.pop_back(); }},
          {"LSNs 1 to 2 are missing", Code::kCorruption,
           [&](ForgedLog* log) { log->segments[0].header.min_lsn = log->manifest.compacted[0].min_lsn = 3; }},
          {"which came before this one, is missing", Code::kCorruption,
           [&](ForgedLog* log) { log->manifest.compacted[0].last_log_salt++; }},
          {"it does not continue what comes before it", Code::kCorruption,
           [&](ForgedLog* log) {
             StartOf(&log->segments[1])->linked = false;
             log->manifest.compacted[0].last_log_crc++;
           }},
      });
}

}  // namespace
}  // namespace crabkv::test
