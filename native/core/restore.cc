#include "native/core/restore.h"

#include "native/core/file_copy.h"
#include "native/core/manifest.h"
#include "native/core/new_directory.h"

namespace crabkv {

namespace {

class Restore {
 public:
  Restore(Env* env, std::string source, const std::string& target, const StepDone& step, RestoreReport* report)
      : env_(env), source_(std::move(source)), target_(env, target, "restoration"), step_(step), report_(report) {}

  Status Run();

 private:
  Status OpenBackup();
  Status Fill();
  Status Copy(const std::string& name, uint64_t salt, uint64_t bytes);
  static Status CheckTrailer(File* file, const std::string& path, uint64_t salt, uint64_t bytes);
  Status Check();
  Status WriteManifest();

  Env* const env_;
  const std::string source_;
  NewDirectory target_;
  const StepDone& step_;
  RestoreReport* const report_;
  std::unique_ptr<DirectoryLock> lock_;  // null where there is no LOCK file
  ManifestState backup_;
};

Status Restore::OpenBackup() {
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(source_, &exists));
  if (!exists) return Status::Error(Code::kMissing, "no backup in " + source_);
  CRABKV_RETURN_IF_ERROR(env_->Exists(source_ + "/LOCK", &exists));
  if (exists) CRABKV_RETURN_IF_ERROR(env_->LockFile(source_ + "/LOCK", LockMode::kShared, &lock_));
  const Status status = Manifest::Load(env_, source_, &backup_);
  if (status.Is(Code::kMissing)) return Status::Error(Code::kMissing, "no backup in " + source_);
  CRABKV_RETURN_IF_ERROR(status);
  if (!backup_.is_backup) return Status::Error(Code::kFormat, source_ + " is a store, and no backup");
  const uint64_t last_log = backup_.logs.empty() ? 0 : backup_.logs.back().number;
  return CheckNumbersLeft(source_, backup_, backup_.clean_last_lsn, last_log);
}

// Behind a SEAL there is one; the check of the frames does not look at it.
Status Restore::CheckTrailer(File* file, const std::string& path, uint64_t salt, uint64_t bytes) {
  constexpr uint64_t kSealBytes = FrameHeader::kBytes + SealPayload::kBytes;
  char end[kSealBytes + Trailer::kBytes];
  uint64_t got = 0;
  FrameHeader seal;
  Trailer trailer;
  if (bytes < SegmentHeader::kBytes + sizeof(end)) return Status::Ok();
  CRABKV_RETURN_IF_ERROR(file->ReadAt(bytes - sizeof(end), sizeof(end), end, &got));
  const std::string_view found(end, got);
  if (got != sizeof(end) || !DecodeFrameHeader(found, salt, &seal) || seal.type != FrameType::kSeal)
    return Status::Ok();
  if (DecodeTrailer(found.substr(kSealBytes), salt, &trailer)) return Status::Ok();
  return Status::Corruption(path, bytes - Trailer::kBytes, "the trailer fails its CRC");
}

Status Restore::Copy(const std::string& name, uint64_t salt, uint64_t bytes) {
  const std::string path = source_ + "/" + name;
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(path, &exists));
  if (!exists) return Status::Corruption(path, 0, "is missing, but the MANIFEST lists it");
  std::unique_ptr<File> file;
  CRABKV_RETURN_IF_ERROR(env_->OpenFile(path, OpenMode::kRead, &file));
  CRABKV_RETURN_IF_ERROR(CheckTrailer(file.get(), path, salt, bytes));
  file->ReadsInOrder();
  CRABKV_RETURN_IF_ERROR(CopyFile(env_, file.get(), path, bytes, target_.partial() + "/" + name, step_));
  report_->files++;
  report_->bytes += bytes;
  return Status::Ok();
}

// The names are durable before a MANIFEST says that they belong together; then the clean end that it was made with.
Status Restore::WriteManifest() {
  CRABKV_RETURN_IF_ERROR(env_->SyncDirectory(target_.partial()));
  ManifestState state = backup_;
  state.is_backup = false;
  state.logs.clear();
  state.epoch++;
  state.epoch_first_lsn = state.clean_last_lsn + 1;
  do state.lineage = env_->Random64();
  while (state.lineage == 0 || state.lineage == backup_.lineage);
  CRABKV_RETURN_IF_ERROR(Manifest::Write(env_, target_.partial(), state));
  return Manifest::AppendClean(env_, target_.partial(), state);
}

// What was copied, and not only that it could be read: every frame and record of it.
Status Restore::Check() {
  VerifyReport report;
  CRABKV_RETURN_IF_ERROR(VerifyDirectory(env_, target_.partial(), step_, &report));
  report_->records = report.records;
  if (report.fault_count == 0 && report.unfinished_file.empty() && report.last_lsn <= backup_.clean_last_lsn) {
    return Status::Ok();
  }
  if (report.faults.empty()) return Status::Corruption(source_, 0, "the backup does not end as its MANIFEST says");
  const Fault& fault = report.faults.front();
  return Status::Corruption(source_ + "/" + fault.file, fault.offset, fault.what);
}

Status Restore::Fill() {
  for (const ListedLog& log : backup_.logs)
    CRABKV_RETURN_IF_ERROR(Copy(SegmentFileName(log.number), log.salt, log.bytes));
  for (const CompactedSegment& segment : backup_.compacted) {
    CRABKV_RETURN_IF_ERROR(Copy(CompactedFileName(segment.number), segment.salt, segment.bytes));
  }
  CRABKV_RETURN_IF_ERROR(WriteManifest());
  return Check();
}

Status Restore::Run() {
  CRABKV_RETURN_IF_ERROR(OpenBackup());
  CRABKV_RETURN_IF_ERROR(target_.Check(source_));
  report_->version = backup_.clean_last_lsn;
  report_->backup_wall_ms = backup_.backup_wall_ms;
  return target_.Make([this] { return Fill(); });
}

}  // namespace

Status RestoreBackup(Env* env, const std::string& source, const std::string& target, const StepDone& step,
                     RestoreReport* report) {
  return Restore(env, source, target, step, report).Run();
}

}  // namespace crabkv
