// A directory that is made under another name, with ".partial" behind it, and gets its own when all of it is durable:
// so what has the name is whole. For repairs and restorations. One thread; may block.
#pragma once

#include <functional>
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
  // Makes the directory, lets `fill` fill it, and gives it its name; after an error it and the files in it are removed,
  // as far as that goes. REQUIRES: Check was OK, and `fill` makes durable what it puts there.
  Status Make(const std::function<Status()>& fill);

 private:
  Status Publish();
  void Discard();

  Env* const env_;
  const std::string target_;
  const std::string partial_;
  const std::string work_;
};

}  // namespace crabkv
