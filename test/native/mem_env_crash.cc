// What is left of a MemEnv after a kill or a power cut, and looking at its disk behind its back. See mem_env.h.
#include <algorithm>
#include <set>
#include <unordered_map>

#include "native/core/crc32c.h"
#include "test/native/mem_env.h"

namespace crabkv::test {

std::unique_ptr<MemEnv> MemEnv::KillProcess() const { return Restart(Crash::kKill, nullptr); }

std::unique_ptr<MemEnv> MemEnv::PowerCutKeepNothing() const { return Restart(Crash::kPowerCut, nullptr); }

std::unique_ptr<MemEnv> MemEnv::PowerCutKeepRandom(uint64_t seed) const {
  PowerCut cut = PowerCut::Even(seed);
  return Restart(Crash::kPowerCut, &cut);
}

std::unique_ptr<MemEnv> MemEnv::PowerCutOfAnyStyle(uint64_t seed, std::string* how) const {
  PowerCut cut = PowerCut::OfAnyStyle(seed, UnsyncedSequences());
  if (how != nullptr) *how = cut.Describe();
  return Restart(Crash::kPowerCut, &cut);
}

std::vector<uint64_t> MemEnv::UnsyncedSequences() const {
  std::vector<uint64_t> sequences;
  const std::lock_guard<std::mutex> hold(mutex_);
  for (const auto& [path, directory] : directories_) {
    for (const NameChange& change : directory.journal) sequences.push_back(change.sequence);
    for (const Names* names : {&directory.current, &directory.durable}) {
      for (const auto& [name, file] : *names) file->AddUnsynced(&sequences);
    }
  }
  return sequences;
}

// Changes are kept or lost at random in any order, except that a kept one needs those before it that touch its names: a
// file system may delay a change of another name, but a name does not skip a state and come back. A rename touches both
// of its names at once, so it is there or not.
MemEnv::Names MemEnv::NamesAfterPowerCut(const Directory& directory, PowerCut* cut) {
  Names names = directory.durable;
  if (cut == nullptr) return names;
  std::set<std::string> needed;
  std::vector<bool> kept(directory.journal.size());
  for (size_t index = kept.size(); index-- > 0;) {
    const NameChange& change = directory.journal[index];
    const bool chosen = cut->KeepsName(directory.inode, change.sequence);
    kept[index] = chosen || needed.count(change.name) > 0 || (!change.from.empty() && needed.count(change.from) > 0);
    if (!kept[index]) continue;
    needed.insert(change.name);
    if (!change.from.empty()) needed.insert(change.from);
  }
  for (size_t index = 0; index < kept.size(); ++index) {
    if (kept[index]) Apply(directory.journal[index], &names);
  }
  return names;
}

std::unique_ptr<MemEnv> MemEnv::Restart(Crash crash, PowerCut* cut) const {
  auto env = std::make_unique<MemEnv>(options_);
  env->wall_ms_ = wall_ms_.load();
  env->monotonic_ns_ = monotonic_ns_.load();
  env->random_state_ = random_state_.load();

  const std::lock_guard<std::mutex> hold(mutex_);
  env->last_inode_ = last_inode_;
  env->last_sequence_ = last_sequence_;
  // A file may have several names (current and durable ones); it stays one file.
  std::unordered_map<const MemFile*, std::shared_ptr<MemFile>> copies;
  const auto copy = [&](const std::shared_ptr<MemFile>& file) -> std::shared_ptr<MemFile> {
    if (file == nullptr) return nullptr;
    std::shared_ptr<MemFile>& made = copies[file.get()];
    if (made != nullptr) return made;
    made = crash == Crash::kKill ? file->Clone()
                                 : MemFile::Durable(file->inode(), file->bytes_max(), file->AfterPowerCut(cut));
    env->replayed_[file->inode()] = made;
    return made;
  };
  for (const auto& [path, directory] : directories_) {
    Directory& restarted = env->directories_[path];
    restarted.inode = directory.inode;
    if (crash == Crash::kKill) {
      for (const auto& [name, file] : directory.current) restarted.current[name] = copy(file);
      for (const auto& [name, file] : directory.durable) restarted.durable[name] = copy(file);
      for (const NameChange& change : directory.journal) {
        restarted.journal.push_back({change.name, copy(change.file), change.from, change.sequence});
      }
    } else {
      for (const auto& [name, file] : NamesAfterPowerCut(directory, cut)) restarted.current[name] = copy(file);
      restarted.durable = restarted.current;
    }
  }
  return env;
}

bool MemEnv::Content(const std::string& path, std::string* content) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  const std::shared_ptr<MemFile> file = FileAt(Normalize(path));
  if (file == nullptr) return false;
  content->assign(file->bytes(), file->size());
  return true;
}

bool MemEnv::DurableContent(const std::string& path, std::string* content) const {
  std::string directory, name;
  Split(Normalize(path), &directory, &name);
  const std::lock_guard<std::mutex> hold(mutex_);
  const auto at = directories_.find(directory);
  if (at == directories_.end()) return false;
  const auto file = at->second.durable.find(name);
  if (file == at->second.durable.end()) return false;
  *content = *file->second->AfterPowerCut(nullptr);
  return true;
}

void MemEnv::SetContent(const std::string& path, const std::string& content) {
  std::string directory, name;
  Split(Normalize(path), &directory, &name);
  const std::lock_guard<std::mutex> hold(mutex_);
  Directory* const at = DirectoryAt(directory);
  CRABKV_ASSERT(at != nullptr);
  auto found = at->current.find(name);
  const std::shared_ptr<MemFile> file =
      found != at->current.end() ? found->second : std::make_shared<MemFile>(++last_inode_, options_.file_bytes_max);
  file->Truncate(0, ++last_sequence_);
  file->Write(0, content, ++last_sequence_);
  file->Sync();
  at->current[name] = file;
  at->durable[name] = file;
}

std::vector<std::string> MemEnv::AllFiles() const {
  std::vector<std::string> paths;
  const std::lock_guard<std::mutex> hold(mutex_);
  for (const auto& [path, directory] : directories_) {
    for (const auto& [name, file] : directory.current) paths.push_back(path == "/" ? "/" + name : path + "/" + name);
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

uint64_t MemEnv::Fingerprint() const {
  uint64_t fingerprint = 0;
  const std::lock_guard<std::mutex> hold(mutex_);
  for (const auto& [path, directory] : directories_) AddTo(&fingerprint, directory);
  return fingerprint;
}

uint64_t MemEnv::FingerprintOf(const std::string& directory) const {
  uint64_t fingerprint = 0;
  const std::lock_guard<std::mutex> hold(mutex_);
  const auto found = directories_.find(Normalize(directory));
  if (found != directories_.end()) AddTo(&fingerprint, found->second);
  return fingerprint;
}

void MemEnv::AddTo(uint64_t* fingerprint, const Directory& directory) {
  for (const auto& [name, file] : directory.current) {
    const uint32_t crc = Crc32cExtend(Crc32c(name.data(), name.size()), file->bytes(), file->size());
    *fingerprint = Random(*fingerprint ^ crc ^ (file->size() << 32)).Next();
  }
}

}  // namespace crabkv::test
