// Three steps: the newest good record of each key is found (LogCheck and NewestRecords), the log is walked again and
// these records go into a new store (StoreFiller), the new store gets its name.
#include "native/core/repair.h"

#include <algorithm>

#include "native/core/checked_directory.h"
#include "native/core/new_directory.h"
#include "native/core/newest_records.h"
#include "native/core/store_filler.h"

namespace crabkv {

namespace {

class Repair {
 public:
  Repair(Env* env, std::string source, const std::string& target, const StepDone& step, RepairReport* report)
      : env_(env), source_(std::move(source)), target_(env, target, "repair"), step_(step), report_(report) {}

  Status Run();

 private:
  Status FindNewest();
  Status Walk(uint64_t lsn_max, VerifyReport* found, uint64_t* last_lsn);
  void TellKept();
  Status Fill();
  Status Copy(RecordPlace place, const RecordHeader& record, StoreFiller* filler);

  Env* const env_;
  const std::string source_;
  NewDirectory target_;
  const StepDone& step_;
  RepairReport* const report_;

  CheckedDirectory checked_;
  std::unique_ptr<NewestRecords> newest_;
  uint64_t lsn_max_ = UINT64_MAX;  // what lies behind belongs to an unfinished end of the log
  Codec compression_ = Codec::kNone;
  std::vector<char> record_;
};

Status Repair::Walk(uint64_t lsn_max, VerifyReport* found, uint64_t* last_lsn) {
  newest_ = std::make_unique<NewestRecords>(env_, checked_.has_manifest);
  const RecordSink add = [&](size_t segment, uint64_t offset, const RecordHeader& record, std::string_view key) {
    if (record.lsn > lsn_max) return;
    *last_lsn = std::max(*last_lsn, record.lsn);
    if ((record.flags & kRecordCodecMask) != 0) compression_ = Codec::kSnappy;
    newest_->Add({segment, offset}, record, key);
  };
  return LogCheck(checked_.segments, checked_.manifest_if_any(), step_, add, found).Run(false);
}

// Where the log has an unfinished end, opening would cut it there, and what is readable behind goes with it. That is
// known only at the end, so then the walk is done again.
Status Repair::FindNewest() {
  VerifyReport& found = report_->found;
  VerifyReport again = found;
  uint64_t last_lsn = 0;
  CRABKV_RETURN_IF_ERROR(Walk(UINT64_MAX, &found, &last_lsn));
  if (found.unfinished_file.empty() || last_lsn <= found.last_lsn) return Status::Ok();
  lsn_max_ = found.last_lsn;
  return Walk(lsn_max_, &again, &last_lsn);
}

void Repair::TellKept() {
  const std::vector<CheckedSegment>& segments = checked_.segments;
  for (const Fault& fault : report_->found.faults) {
    const auto at = std::find_if(segments.begin(), segments.end(),
                                 [&](const CheckedSegment& segment) { return segment.name == fault.file; });
    const auto index = static_cast<size_t>(at - segments.begin());
    std::vector<KeptVersion>& kept = report_->kept.emplace_back();
    for (const std::string& key : fault.keys) {
      RecordPlace place;
      if (key.size() == Fault::kKeyBytesMax) {
        kept.push_back(KeptVersion::kUnknown);
      } else if (!newest_->Find(key, &place)) {
        kept.push_back(KeptVersion::kNone);
      } else {
        const bool newer =
            place.segment > index || (place.segment == index && place.offset >= fault.offset + fault.bytes);
        kept.push_back(newer ? KeptVersion::kNewer : KeptVersion::kOlder);
      }
    }
  }
}

Status Repair::Copy(RecordPlace place, const RecordHeader& record, StoreFiller* filler) {
  const CheckedSegment& segment = checked_.segments[place.segment];
  uint64_t deadline_ms = 0;
  uint64_t got = 0;
  record_.resize(record.record_bytes());
  CRABKV_RETURN_IF_ERROR(segment.file->ReadAt(place.offset, record_.size(), record_.data(), &got));
  RecordHeader header;
  if (got != record_.size() || !DecodeRecordHeader(record_.data(), got, &header) || header.record_bytes() != got ||
      !CheckRecord(header, record_.data(), segment.salt)) {
    return Status::Corruption(source_ + "/" + segment.name, place.offset, "a record that was good now fails its CRC");
  }
  const std::string_view bytes(record_.data(), record_.size());
  const std::string_view key = bytes.substr(RecordHeader::kBytes, header.key_bytes);
  if (!newest_->IsNewest(place, key, &deadline_ms)) return Status::Ok();
  if (deadline_ms != 0 && deadline_ms <= report_->found.clock_ms) {
    report_->expired++;
    return Status::Ok();
  }
  char* to = nullptr;
  CRABKV_RETURN_IF_ERROR(filler->Put(header.key_bytes, header.raw_bytes, deadline_ms, &to));
  std::copy_n(key.data(), key.size(), to);
  if (!CopyValue(header, bytes, to + key.size())) {
    return Status::Corruption(source_ + "/" + segment.name, place.offset, "the value can't be decompressed");
  }
  report_->keys++;
  report_->bytes += uint64_t{header.key_bytes} + header.raw_bytes;
  return Status::Ok();
}

Status Repair::Fill() {
  StoreFiller filler;
  CRABKV_RETURN_IF_ERROR(filler.Open(env_, target_.partial(), compression_));
  Status failed;
  const RecordSink copy = [&](size_t segment, uint64_t offset, const RecordHeader& record, std::string_view key) {
    uint64_t deadline_ms = 0;
    if (failed.ok() && record.type == RecordType::kPut && newest_->IsNewest({segment, offset}, key, &deadline_ms)) {
      failed = Copy({segment, offset}, record, &filler);
    }
  };
  const StepDone step = [&](uint64_t bytes) { return failed.ok() && step_(bytes); };
  VerifyReport again;
  const Status walked = LogCheck(checked_.segments, checked_.manifest_if_any(), step, copy, &again).Run(false);
  CRABKV_RETURN_IF_ERROR(failed);
  CRABKV_RETURN_IF_ERROR(walked);
  if (report_->keys + report_->expired != newest_->key_count()) {
    return Status::Corruption(source_, 0, "its files changed while they were read");
  }
  return filler.Finish();
}

Status Repair::Run() {
  CRABKV_RETURN_IF_ERROR(OpenToCheck(env_, source_, &checked_, &report_->found));
  CRABKV_RETURN_IF_ERROR(target_.Check(source_));
  if (checked_.segments.size() > NewestRecords::kSegmentsMax) {
    return Status::Error(Code::kTooLarge, "more segments than a store may have");
  }
  CRABKV_RETURN_IF_ERROR(FindNewest());
  TellKept();
  return target_.Make([this] { return Fill(); });
}

}  // namespace

bool RepairReport::data_lost() const {
  return found.fault_count > found.faults.size() ||
         std::any_of(found.faults.begin(), found.faults.end(), [](const Fault& fault) { return fault.data_lost; });
}

Status RepairDirectory(Env* env, const std::string& source, const std::string& target, const StepDone& step,
                       RepairReport* report) {
  return Repair(env, source, target, step, report).Run();
}

}  // namespace crabkv
