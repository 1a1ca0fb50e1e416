// Runs the workload that the argument names; without one, says which there are. The last line is what the count depends
// on beside the code: compiler, C library, processor, and which CRC the processor has instructions for.
#if __has_include(<gnu/libc-version.h>)
#include <gnu/libc-version.h>
#endif

#include <cstring>
#include <string>

#include "native/core/crc32c.h"
#include "test/instructions/workload.h"

namespace crabkv::instructions {
namespace {

Workload* all = nullptr;

std::string Builder() {
#if defined(__clang__)
  std::string builder = "clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__);
#else
  std::string builder = "gcc " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__);
#endif
#if defined(__GLIBC__)
  builder += std::string(", glibc ") + gnu_get_libc_version();
#endif
#if defined(__x86_64__)
  builder += ", x86_64";
#elif defined(__aarch64__)
  builder += ", aarch64";
#endif
  return builder + ", CRC by " + Crc32cImplementation();
}

}  // namespace

Registration::Registration(Workload* workload) {
  workload->next = all;
  all = workload;
}

// Called through a pointer that the compiler cannot see through, so that it is a call in every build.
extern "C" __attribute__((noinline, used, visibility("default"))) void CrabkvCounted(void (*body)(void*),
                                                                                     void* context) {
  body(context);
}

int Main(int count, char** arguments) {
  for (const Workload* workload = all; workload != nullptr; workload = workload->next) {
    if (count < 2) {
      std::printf("%s\n", workload->name);
    } else if (std::strcmp(workload->name, arguments[1]) == 0) {
      workload->run();
      std::printf("%s\n", Builder().c_str());
      return 0;
    }
  }
  return count < 2 ? 0 : 2;
}

}  // namespace crabkv::instructions

int main(int count, char** arguments) { return crabkv::instructions::Main(count, arguments); }
