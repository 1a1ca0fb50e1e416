#include "native/core/backup_target.h"

#include <algorithm>
#include <cerrno>

#include "native/core/disk_space.h"
#include "native/core/file_copy.h"
#include "native/core/new_directory.h"

namespace crabkv {

namespace {

constexpr char kMarker[] =
    "This directory is a backup of a CrabKV store. Its files may be the store's own, so nothing may write to them:\n"
    "crabkv restore makes a store of it. A backup without the file MANIFEST is not complete.\n";
constexpr char kLockName[] = "LOCK";

bool Contains(const std::vector<std::string>& names, const char* name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// A segment, or the beginning of one.
bool IsSegmentName(const std::string& name) {
  constexpr size_t kSuffix = 4;  // ".tmp"
  const bool temporary = name.size() > kSuffix && name.compare(name.size() - kSuffix, kSuffix, ".tmp") == 0;
  const std::string stem = temporary ? name.substr(0, name.size() - kSuffix) : name;
  uint64_t number = 0;
  return ParseSegmentFileName(stem, &number) || ParseCompactedFileName(stem, &number) ||
         (temporary && stem == Manifest::kFileName);
}

// File systems that can't, and files that have as many names as they may.
bool CannotLink(const Status& status) {
  const int error = status.error_number();
  return error == EXDEV || error == EPERM || error == EMLINK || error == ENOTSUP || error == EOPNOTSUPP ||
         error == ENOSYS;
}

}  // namespace

BackupTarget::BackupTarget(Env* env, std::string source, std::string path)
    : env_(env), source_(std::move(source)), path_(std::move(path)) {}

BackupTarget::~BackupTarget() {
  if (!keeps_) Discard();
}

// What is there; changes nothing.
Status BackupTarget::Inspect(const ManifestState& store) {
  std::vector<std::string> names;
  CRABKV_RETURN_IF_ERROR(env_->ListDirectory(path_, &names));
  has_previous_ = Contains(names, Manifest::kFileName);
  marked_ = Contains(names, kMarkerName);
  if (has_previous_) return LoadPrevious(store);
  const bool only_lock = std::all_of(names.begin(), names.end(), [](const auto& name) { return name == kLockName; });
  if (marked_ || only_lock) return Status::Ok();
  return Status::Error(Code::kExists, path_ + " is not empty, and no backup; name another directory");
}

Status BackupTarget::LoadPrevious(const ManifestState& store) {
  previous_ = ManifestState();
  CRABKV_RETURN_IF_ERROR(Manifest::Load(env_, path_, &previous_));
  if (!previous_.is_backup) {
    return Status::Error(Code::kExists, path_ + " is a store, and no backup; name another directory");
  }
  if (!(previous_.store_id == store.store_id)) {
    return Status::Error(Code::kExists, path_ + " is a backup of another store; name another directory");
  }
  if (previous_.lineage != store.lineage) {
    return Status::Error(Code::kExists, path_ +
                                            " is a backup of the store before one of them was restored, and they have "
                                            "gone on apart; name another directory");
  }
  listed_ = FilesOf(previous_);
  return Status::Ok();
}

Status BackupTarget::CheckPast(const ManifestState& next) const {
  if (!has_previous_) return Status::Ok();
  const auto files = FilesOf(next);
  const bool other = std::any_of(files.begin(), files.end(), [this](const Listed& file) {
    return std::any_of(listed_.begin(), listed_.end(),
                       [&file](const Listed& listed) { return listed.name == file.name && listed.salt != file.salt; });
  });
  if (previous_.epoch <= next.epoch && previous_.clean_last_lsn <= next.clean_last_lsn && !other) return Status::Ok();
  return Status::Error(Code::kExists, path_ +
                                          " is a backup of another copy of the store, or of a later state (version " +
                                          std::to_string(previous_.clean_last_lsn) + "; the store is at " +
                                          std::to_string(next.clean_last_lsn) + "); name another directory");
}

Status BackupTarget::Prepare(const ManifestState& store) {
  if (path_.empty()) return Status::Error(Code::kInvalidArgument, "the target must have a name");
  bool inside = false;
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(IsInside(env_, path_, source_, &inside));
  if (inside) {
    return Status::Error(Code::kInvalidArgument, "the target " + path_ + " is the store's directory, or inside of it");
  }
  CRABKV_RETURN_IF_ERROR(env_->Exists(path_, &exists));
  if (exists) CRABKV_RETURN_IF_ERROR(Inspect(store));
  created_ = !exists;
  CRABKV_RETURN_IF_ERROR(env_->CreateDirectory(path_));
  CRABKV_RETURN_IF_ERROR(env_->LockFile(PathOf(kLockName), LockMode::kExclusive, &lock_));
  CRABKV_RETURN_IF_ERROR(Inspect(store));
  owns_ = true;
  CRABKV_RETURN_IF_ERROR(RemoveUnlisted(listed_, false));
  return marked_ ? Status::Ok() : WriteMarker();
}

Status BackupTarget::WriteMarker() {
  std::unique_ptr<File> file;
  marked_ = true;
  CRABKV_RETURN_IF_ERROR(env_->OpenFile(PathOf(kMarkerName), OpenMode::kCreate, &file));
  CRABKV_RETURN_IF_ERROR(file->WriteAt(0, kMarker));
  CRABKV_RETURN_IF_ERROR(file->Sync());
  return env_->SyncDirectory(path_);
}

std::vector<BackupTarget::Listed> BackupTarget::FilesOf(const ManifestState& state) {
  std::vector<Listed> files;
  for (const ListedLog& log : state.logs) files.push_back({SegmentFileName(log.number), log.salt, log.bytes});
  for (const CompactedSegment& segment : state.compacted) {
    files.push_back({CompactedFileName(segment.number), segment.salt, segment.bytes});
  }
  return files;
}

// What a backup that ended early, or the one before this, has left.
Status BackupTarget::RemoveUnlisted(const std::vector<Listed>& kept, bool despite_errors) {
  std::vector<std::string> names;
  const Status found = env_->ListDirectory(path_, &names);
  if (!found.ok()) return despite_errors ? Status::Ok() : found;
  for (const std::string& name : names) {
    const auto is_name = [&name](const Listed& file) { return file.name == name; };
    if (!IsSegmentName(name) || std::any_of(kept.begin(), kept.end(), is_name)) continue;
    const Status removed = env_->Remove(PathOf(name));
    if (!removed.ok() && !despite_errors) return removed;
  }
  return Status::Ok();
}

Status BackupTarget::HasAlready(const BackupSegment& segment, const Listed& listed, bool* has) {
  *has = false;
  if (listed.bytes < segment.bytes) return Status::Ok();
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(PathOf(segment.name), &exists));
  if (!exists) return Status::Ok();
  std::unique_ptr<File> file;
  CRABKV_RETURN_IF_ERROR(env_->OpenFile(PathOf(segment.name), OpenMode::kRead, &file));
  uint64_t size = 0;
  uint64_t got = 0;
  char bytes[SegmentHeader::kBytes];
  CRABKV_RETURN_IF_ERROR(file->Size(&size));
  CRABKV_RETURN_IF_ERROR(file->ReadAt(0, sizeof(bytes), bytes, &got));
  SegmentHeader header;
  *has = size >= segment.bytes && DecodeSegmentHeader(std::string_view(bytes, got), segment.name, &header).ok() &&
         header.salt == segment.salt && header.store_id == previous_.store_id;
  return Status::Ok();
}

Status BackupTarget::Link(const BackupSegment& segment, bool* linked) {
  *linked = false;
  if (!can_link_ || !segment.unchanging) return Status::Ok();
  const Status status = env_->Link(segment.path, PathOf(segment.name));
  if (CannotLink(status)) {
    can_link_ = status.error_number() == EMLINK;
    return Status::Ok();
  }
  CRABKV_RETURN_IF_ERROR(status);
  *linked = true;
  return segment.file->Sync();
}

Status BackupTarget::Add(const BackupSegment& segment, const StepDone& step, BackupReport* report) {
  report->files++;
  const auto listed =
      std::find_if(listed_.begin(), listed_.end(), [&](const Listed& file) { return file.name == segment.name; });
  bool done = false;
  if (listed != listed_.end()) {
    CRABKV_RETURN_IF_ERROR(HasAlready(segment, *listed, &done));
    if (done) report->skipped_bytes += segment.bytes;
  } else {
    CRABKV_RETURN_IF_ERROR(Link(segment, &done));
    if (done) report->linked_bytes += segment.bytes;
  }
  if (done) return step(0) ? Status::Ok() : Status::Error(Code::kAborted, "given up");
  // What is there under the name is missing something, or it would have been taken.
  CRABKV_RETURN_IF_ERROR(CopyFile(env_, segment.file, segment.path, segment.bytes, PathOf(segment.name), step));
  report->copied_bytes += segment.bytes;
  return Status::Ok();
}

Status BackupTarget::Commit(const ManifestState& next) {
  CRABKV_RETURN_IF_ERROR(env_->SyncDirectory(path_));
  bool unsure = false;
  const Status status = Manifest::Write(env_, path_, next, &unsure);
  keeps_ = status.ok() || unsure;
  CRABKV_RETURN_IF_ERROR(status);
  return RemoveUnlisted(FilesOf(next), true);
}

// As far as it goes: what is in the way of this is what failed already, and the next backup removes what is left.
void BackupTarget::Discard() {
  Status ignored;
  if (owns_) {
    ignored = RemoveUnlisted(listed_, true);
    if (!has_previous_ && marked_) ignored = env_->Remove(PathOf(kMarkerName));
    if (!has_previous_) ignored = env_->Remove(PathOf(kLockName));
  }
  lock_.reset();
  if (created_) ignored = env_->RemoveDirectory(path_);
  static_cast<void>(ignored);
}

}  // namespace crabkv
