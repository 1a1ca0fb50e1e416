// A directory that is made under another name, with ".partial" behind it, and gets its own when all of it is durable:
// so what has the name is whole. For repairs and restorations. One thread; may block.
#pragma once

#include <string>

#include "native/core/env.h"

namespace crabkv {

// Whether `path`, which need not exist, is the directory or lies inside of it: by what the directories are, whatever
// they are called.
Status IsInside(Env* env, std::string path, const std::string& directory, bool* inside);

class NewDirectory {
 public:
  // `work` is what makes it, for messages: "repair".
  NewDirectory(Env* env, const std::string& target, std::string work);

  // kInvalidArgument when the target has no name, is `source` or inside of it, or is a mount point; kExists when it is
  // there and not an empty directory, or the other name is there. Changes nothing.
  Status Check(const std::string& source) const;
  const std::string& partial() const { return partial_; }
  Status Begin() { return env_->CreateDirectory(partial_); }
  Status Publish();
  // Removes what Begin made and the files in it, as far as that goes.
  void Discard();

 private:
  Env* const env_;
  const std::string target_;
  const std::string partial_;
  const std::string work_;
};

}  // namespace crabkv
