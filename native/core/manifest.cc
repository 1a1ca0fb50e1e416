#include "native/core/manifest.h"

#include <algorithm>
#include <cstring>

#include "native/core/coding.h"
#include "native/core/crc32c.h"
#include "native/core/slot_table.h"

namespace crabkv {

namespace {
constexpr char kMagic[] = "CrabKVmf";
constexpr uint64_t kHeaderBytes = 32;
constexpr uint64_t kEditHeaderBytes = 16;
constexpr uint32_t kHashSipHash13 = 1;

// Of the header: whoever does not know it must not open the directory, least of all for writing.
constexpr uint32_t kBackupFlag = 1;

// As many as a store may have.
constexpr uint64_t kSegmentsMax = Location::kSegmentHandleMax;
// Of LSNs and of segments, at an opening for writing: as many are left for it.
constexpr uint64_t kNumberMax = uint64_t{1} << 63;

enum class EditType : uint32_t { kStore = 1, kEpoch = 2, kClean = 3, kCompacted = 4, kBackup = 5 };
constexpr uint64_t kCompactedFields = 10;
constexpr uint64_t kListedLogFields = 3;
// What a store with as many segments as it may have needs, all of them compacted: those take most.
constexpr uint64_t kFileBytesMax = kSegmentsMax * 8 * kCompactedFields + 4096;

std::string PathIn(const std::string& directory) { return directory + "/" + Manifest::kFileName; }

std::string EncodeHeader(bool is_backup) {
  std::string bytes(kHeaderBytes, '\0');
  std::memcpy(&bytes[0], kMagic, 8);
  PutU16(&bytes[8], kFormatMajor);
  PutU16(&bytes[10], kFormatMinor);
  PutU32(&bytes[12], is_backup ? kBackupFlag : 0);
  PutU32(&bytes[28], Crc32c(bytes.data(), 28));
  return bytes;
}

Status CheckHeader(std::string_view bytes, const std::string& path) {
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), kMagic, 8) != 0) {
    return Status::Error(Code::kFormat, path + " is not a CrabKV manifest");
  }
  if (Crc32c(bytes.data(), 28) != GetU32(bytes.data() + 28))
    return Status::Corruption(path, 0, "the header fails its CRC");
  if (GetU16(bytes.data() + 8) != kFormatMajor) {
    return Status::Error(Code::kFormat, path + ": the store has format version " +
                                            std::to_string(GetU16(bytes.data() + 8)) +
                                            "; this version of CrabKV reads version " + std::to_string(kFormatMajor));
  }
  if ((GetU32(bytes.data() + 12) & ~(kKnownIncompatibleFlags | kBackupFlag)) != 0) {
    return Status::Error(Code::kFormat,
                         path + ": the store uses format features that this version of CrabKV does not know");
  }
  return Status::Ok();
}

// Appends an edit of 8-byte fields.
void AppendEdit(std::string* file, EditType type, const std::vector<uint64_t>& fields, uint32_t* previous_crc) {
  std::string edit(kEditHeaderBytes + 8 * fields.size(), '\0');
  PutU32(&edit[4], *previous_crc);
  PutU32(&edit[8], static_cast<uint32_t>(type));
  PutU32(&edit[12], static_cast<uint32_t>(8 * fields.size()));
  size_t at = kEditHeaderBytes;
  for (uint64_t field : fields) {
    PutU64(&edit[at], field);
    at += 8;
  }
  *previous_crc = Crc32c(edit.data() + 4, edit.size() - 4);
  PutU32(&edit[0], *previous_crc);
  file->append(edit);
}

std::vector<uint64_t> FieldsOf(const std::vector<CompactedSegment>& segments) {
  std::vector<uint64_t> fields;
  fields.reserve(segments.size() * kCompactedFields);
  for (const CompactedSegment& s : segments) {
    const uint64_t end = (uint64_t{s.last_log_epoch} << 32) | s.last_log_crc;
    fields.insert(fields.end(), {s.number, s.salt, s.min_lsn, s.max_lsn, s.horizon, s.bytes, s.first_log, s.last_log,
                                 s.last_log_salt, end});
  }
  return fields;
}

std::vector<uint64_t> EpochFields(const ManifestState& state) {
  std::vector<uint64_t> fields = {state.epoch,      state.epoch_first_lsn,  state.cut.segment,
                                  state.cut.offset, state.cut.next_segment, state.clock_ms};
  if (state.lineage != 0) fields.push_back(state.lineage);
  return fields;
}

std::vector<uint64_t> CleanFields(const ManifestState& state) {
  return {state.clean_last_lsn, state.clean_last_crc, state.clock_ms};
}

std::vector<uint64_t> BackupFields(const ManifestState& state) {
  std::vector<uint64_t> fields = {state.backup_wall_ms};
  for (const ListedLog& log : state.logs) fields.insert(fields.end(), {log.number, log.salt, log.bytes});
  return fields;
}

bool ValidEdit(std::string_view bytes, uint64_t* edit_bytes) {
  if (bytes.size() < kEditHeaderBytes) return false;
  const uint64_t payload = GetU32(bytes.data() + 12);
  if (payload % 8 != 0 || payload > bytes.size() - kEditHeaderBytes) return false;
  *edit_bytes = kEditHeaderBytes + payload;
  return GetU32(bytes.data()) == Crc32c(bytes.data() + 4, *edit_bytes - 4);
}

Status ApplyEdit(std::string_view edit, const std::string& path, ManifestState* state) {
  const uint64_t fields = (edit.size() - kEditHeaderBytes) / 8;
  auto field = [&](uint64_t i) { return GetU64(edit.data() + kEditHeaderBytes + 8 * i); };
  const uint32_t type = GetU32(edit.data() + 8);
  if (type == static_cast<uint32_t>(EditType::kStore) && fields >= 5) {
    if (field(4) != kHashSipHash13) return Status::Error(Code::kFormat, path + ": unknown key hash");
    state->store_id = {field(0), field(1)};
    state->hash_seed[0] = field(2);
    state->hash_seed[1] = field(3);
  } else if (type == static_cast<uint32_t>(EditType::kEpoch) && fields >= 6) {
    state->epoch = static_cast<uint32_t>(field(0));
    state->epoch_first_lsn = field(1);
    state->cut.segment = field(2);
    state->cut.offset = field(3);
    state->cut.next_segment = field(4);
    state->clock_ms = field(5);
    state->lineage = fields >= 7 ? field(6) : 0;
    state->clean = false;
    // An opening makes and removes the files of every number in between.
    const LogCut& cut = state->cut;
    if (cut.next_segment != 0 && cut.next_segment - cut.segment > kSegmentsMax)
      return Status::Corruption(
          path, 0,
          "the cut is from segment " + std::to_string(cut.segment) + " to " + std::to_string(cut.next_segment));
  } else if (type == static_cast<uint32_t>(EditType::kClean) && fields >= 3) {
    state->clean = true;
    state->clean_last_lsn = field(0);
    state->clean_last_crc = static_cast<uint32_t>(field(1));
    state->clock_ms = field(2);
  } else if (type == static_cast<uint32_t>(EditType::kCompacted) && fields % kCompactedFields == 0) {
    for (uint64_t i = 0; i < fields; i += kCompactedFields) {
      CompactedSegment segment;
      segment.number = field(i);
      segment.salt = field(i + 1);
      segment.min_lsn = field(i + 2);
      segment.max_lsn = field(i + 3);
      segment.horizon = field(i + 4);
      segment.bytes = field(i + 5);
      segment.first_log = field(i + 6);
      segment.last_log = field(i + 7);
      segment.last_log_salt = field(i + 8);
      segment.last_log_crc = static_cast<uint32_t>(field(i + 9));
      segment.last_log_epoch = static_cast<uint32_t>(field(i + 9) >> 32);
      state->compacted.push_back(segment);
    }
  } else if (type == static_cast<uint32_t>(EditType::kBackup) && fields % kListedLogFields == 1) {
    state->backup_wall_ms = field(0);
    for (uint64_t i = 1; i < fields; i += kListedLogFields) {
      state->logs.push_back({field(i), field(i + 1), field(i + 2)});
    }
  } else {
    return Status::Error(Code::kFormat, path + ": unknown manifest edit " + std::to_string(type));
  }
  return Status::Ok();
}

Status CheckSize(uint64_t size, const std::string& path) {
  if (size <= kFileBytesMax) return Status::Ok();
  return Status::Error(Code::kFormat, path + " is too large for a manifest");
}

Status ReadWhole(Env* env, const std::string& path, std::string* bytes) {
  std::unique_ptr<File> file;
  CRABKV_RETURN_IF_ERROR(env->OpenFile(path, OpenMode::kRead, &file));
  uint64_t size = 0;
  CRABKV_RETURN_IF_ERROR(file->Size(&size));
  CRABKV_RETURN_IF_ERROR(CheckSize(size, path));
  bytes->resize(size);
  uint64_t got = 0;
  CRABKV_RETURN_IF_ERROR(file->ReadAt(0, size, &(*bytes)[0], &got));
  bytes->resize(got);
  return Status::Ok();
}

// Reads edits from `bytes` into `state`; `*end` is where the last whole one ends, `*crc` its CRC.
Status ApplyEdits(std::string_view bytes, const std::string& path, ManifestState* state, uint64_t* end, uint32_t* crc) {
  uint64_t at = kHeaderBytes;
  uint32_t previous_crc = 0;
  uint64_t edit_bytes = 0;
  while (at < bytes.size() && ValidEdit(bytes.substr(at), &edit_bytes)) {
    const std::string_view edit = bytes.substr(at, edit_bytes);
    if (GetU32(edit.data() + 4) != previous_crc)
      return Status::Corruption(path, at, "an edit is missing before this one");
    CRABKV_RETURN_IF_ERROR(ApplyEdit(edit, path, state));
    previous_crc = GetU32(edit.data());
    at += edit_bytes;
  }
  *end = at;
  *crc = previous_crc;
  // An unfinished last edit is what a crash in AppendClean leaves. A whole one behind a bad one means that the bad one
  // was whole once.
  for (uint64_t later = at + 8; later + kEditHeaderBytes <= bytes.size(); later += 8) {
    const uint32_t type = GetU32(bytes.data() + later + 8);
    if (type >= 1 && type <= 5 && ValidEdit(bytes.substr(later), &edit_bytes)) {
      return Status::Corruption(path, at, "an edit fails its CRC and later ones do not");
    }
  }
  return Status::Ok();
}
}  // namespace

bool ManifestState::Covers(uint64_t log_number) const {
  for (const CompactedSegment& segment : compacted) {
    if (log_number >= segment.first_log && log_number <= segment.last_log) return true;
  }
  return false;
}

bool ManifestState::HasLog(uint64_t log_number, const ListedLog** listed) const {
  *listed = nullptr;
  if (!is_backup) {
    // What a cut voids may still be there.
    return !Covers(log_number) && !(log_number > cut.segment && log_number < cut.next_segment);
  }
  const auto found =
      std::find_if(logs.begin(), logs.end(), [&](const ListedLog& log) { return log.number == log_number; });
  if (found != logs.end()) *listed = &*found;
  return *listed != nullptr;
}

Status CheckNumbersLeft(const std::string& directory, const ManifestState& state, uint64_t last_lsn,
                        uint64_t last_log) {
  const auto refuse = [&](const char* what, uint64_t number) {
    return Status::Error(Code::kFormat, PathIn(directory) + ": the store is at " + what + " " + std::to_string(number) +
                                            ", too high to go on");
  };
  if (state.epoch == UINT32_MAX) return refuse("epoch", state.epoch);
  if (last_lsn > kNumberMax) return refuse("LSN", last_lsn);
  if (last_log > kNumberMax) return refuse("log segment", last_log);
  for (const CompactedSegment& segment : state.compacted) {
    if (segment.number > kNumberMax) return refuse("compacted segment", segment.number);
    if (segment.last_log > kNumberMax) return refuse("log segment", segment.last_log);
  }
  return Status::Ok();
}

Status Manifest::Load(Env* env, const std::string& directory, ManifestState* state) {
  const std::string path = PathIn(directory);
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(env->Exists(path, &exists));
  if (!exists) return Status::Error(Code::kMissing, "no store in " + directory);
  std::string bytes;
  CRABKV_RETURN_IF_ERROR(ReadWhole(env, path, &bytes));
  CRABKV_RETURN_IF_ERROR(CheckHeader(bytes, path));
  uint64_t end = 0;
  uint32_t crc = 0;
  CRABKV_RETURN_IF_ERROR(ApplyEdits(bytes, path, state, &end, &crc));
  // Write puts both edits in place with one rename, so they are always whole.
  if (state->epoch == 0) return Status::Corruption(path, end, "the store's own entries fail their CRC");
  for (const CompactedSegment& segment : state->compacted) {
    // What the log has behind it would be of an epoch before.
    if (segment.last_log_epoch <= state->epoch) continue;
    return Status::Corruption(path, 0,
                              "compacted segment " + std::to_string(segment.number) + " ends in epoch " +
                                  std::to_string(segment.last_log_epoch) + ", but the store is in epoch " +
                                  std::to_string(state->epoch));
  }
  state->is_backup = (GetU32(bytes.data() + 12) & kBackupFlag) != 0;
  if (state->is_backup && (!state->clean || state->backup_wall_ms == 0)) {
    return Status::Corruption(path, end, "the entries of the backup fail their CRC");
  }
  return Status::Ok();
}

Status Manifest::Write(Env* env, const std::string& directory, const ManifestState& state, bool* unsure) {
  if (unsure != nullptr) *unsure = false;
  std::string bytes = EncodeHeader(state.is_backup);
  uint32_t crc = 0;
  AppendEdit(&bytes, EditType::kStore,
             {state.store_id.high, state.store_id.low, state.hash_seed[0], state.hash_seed[1], kHashSipHash13}, &crc);
  AppendEdit(&bytes, EditType::kEpoch, EpochFields(state), &crc);
  if (!state.compacted.empty()) AppendEdit(&bytes, EditType::kCompacted, FieldsOf(state.compacted), &crc);
  if (state.is_backup) {
    AppendEdit(&bytes, EditType::kBackup, BackupFields(state), &crc);
    AppendEdit(&bytes, EditType::kClean, CleanFields(state), &crc);
  }
  const std::string path = PathIn(directory);
  CRABKV_RETURN_IF_ERROR(CheckSize(bytes.size(), path));  // or it could never be read
  const std::string temporary = path + ".tmp";
  bool leftover = false;
  CRABKV_RETURN_IF_ERROR(env->Exists(temporary, &leftover));
  if (leftover) CRABKV_RETURN_IF_ERROR(env->Remove(temporary));
  std::unique_ptr<File> file;
  CRABKV_RETURN_IF_ERROR(env->OpenFile(temporary, OpenMode::kCreate, &file));
  CRABKV_RETURN_IF_ERROR(file->WriteAt(0, bytes));
  CRABKV_RETURN_IF_ERROR(file->Sync());
  if (unsure != nullptr) *unsure = true;
  CRABKV_RETURN_IF_ERROR(env->Rename(temporary, path));
  return env->SyncDirectory(directory);
}

Status Manifest::AppendClean(Env* env, const std::string& directory, const ManifestState& state) {
  const std::string path = PathIn(directory);
  std::string bytes;
  CRABKV_RETURN_IF_ERROR(ReadWhole(env, path, &bytes));
  ManifestState ignored;
  uint64_t end = 0;
  uint32_t crc = 0;
  CRABKV_RETURN_IF_ERROR(ApplyEdits(bytes, path, &ignored, &end, &crc));
  std::string edit;
  AppendEdit(&edit, EditType::kClean, CleanFields(state), &crc);
  std::unique_ptr<File> file;
  CRABKV_RETURN_IF_ERROR(env->OpenFile(path, OpenMode::kReadWrite, &file));
  CRABKV_RETURN_IF_ERROR(file->WriteAt(end, edit));
  return file->Sync();
}

}  // namespace crabkv
