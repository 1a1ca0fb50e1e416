// A directory of a test's own on the real file system, removed with everything in it.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "test/native/harness.h"

namespace crabkv::test {

class TempDirectory {
 public:
  TempDirectory() {
    std::error_code error;
    path_ = (std::filesystem::temp_directory_path(error) / "crabkv-test-XXXXXX").string();
    CRABKV_ASSERT(!error && ::mkdtemp(path_.data()) != nullptr);
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace crabkv::test
