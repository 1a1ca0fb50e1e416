// The SIGBUS guard. What must end the process, or depends on the handler that was there first, runs in a process of its
// own: this program again, told by an environment variable which scenario to play.
#include "native/core/guarded_read.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "native/core/env.h"
#include "test/native/harness.h"
#include "test/native/temp_directory.h"

namespace crabkv::test {
namespace {

constexpr const char* kScenarioVariable = "CRABKV_GUARD_SCENARIO";
constexpr uint64_t kPage = 16384;  // at least the page size of every system we run on

// A file of `pages` pages, page n full of the letter 'a' + n, and a mapping of it.
struct MappedFile {
  TempDirectory directory;
  std::unique_ptr<File> file;
  std::unique_ptr<Mapping> mapping;

  explicit MappedFile(uint64_t pages) {
    CRABKV_ASSERT(DefaultEnv()->OpenFile(directory / "file", OpenMode::kCreate, &file).ok());
    for (uint64_t page = 0; page < pages; ++page) Fill(page);
    CRABKV_ASSERT(file->Map(pages * kPage, &mapping).ok());
  }
  void Fill(uint64_t page) {
    CRABKV_ASSERT(file->WriteAt(page * kPage, std::string(kPage, static_cast<char>('a' + page))).ok());
  }
  void Cut(uint64_t pages) { CRABKV_ASSERT(file->Truncate(pages * kPage).ok()); }
  const char* page(uint64_t number) const { return mapping->data() + number * kPage; }
};

bool ReadsAs(const char* from, char letter) {
  char bytes[100];
  return GuardedCopy(bytes, from, sizeof(bytes)) && std::string(bytes, sizeof(bytes)) == std::string(100, letter);
}

bool Faults(const char* from) {
  char byte;
  return !GuardedCopy(&byte, from, 1);
}

char TouchUnguarded(const char* address) { return *static_cast<const volatile char*>(address); }

// --- Scenarios: each ends the process.

constexpr int kPlainHandlerSaw = 41;
constexpr int kInfoHandlerSaw = 42;
constexpr int kSurvived = 43;

const char* expected_address = nullptr;

void PlainHandler(int) { ::_exit(kPlainHandlerSaw); }

void InfoHandler(int, siginfo_t* info, void*) { ::_exit(info->si_addr == expected_address ? kInfoHandlerSaw : 1); }

void HandleWithInfo() {
  struct sigaction action = {};
  action.sa_sigaction = InfoHandler;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

// Does nothing in a run of the tests; does not return when a scenario is named.
TEST(Plays_the_scenario_that_a_test_of_the_guard_names) {
  const char* const variable = std::getenv(kScenarioVariable);
  if (variable == nullptr) return;
  const std::string scenario = variable;
  MappedFile* const mapped = new MappedFile(3);
  mapped->Cut(1);
  const std::string path = mapped->directory.path();
  const char* const gone = mapped->page(2);
  expected_address = gone;
  ::unlink((path + "/file").c_str());  // what is left behind is an empty directory
  ::rmdir(path.c_str());

  ::signal(SIGBUS, SIG_DFL);
  if (scenario == "plain handler") ::signal(SIGBUS, PlainHandler);
  if (scenario == "info handler" || scenario == "other range") HandleWithInfo();
  if (scenario == "sent and ignored") ::signal(SIGBUS, SIG_IGN);
  InstallGuard();
  if (scenario == "guard replaced") ::signal(SIGBUS, SIG_DFL);

  if (scenario == "sent" || scenario == "sent and ignored") {
    ::kill(::getpid(), SIGBUS);
    ::_exit(kSurvived);
  }
  if (scenario == "guard replaced") ::_exit(Faults(gone) ? kSurvived : 1);
  if (scenario == "other range") {
    static_cast<void>(RunGuarded(mapped->page(0), mapped->page(2), [&] { TouchUnguarded(gone); }));
    ::_exit(kSurvived);
  }
  // A guarded fault first: it must leave nothing armed.
  if (!Faults(gone)) ::_exit(1);
  TouchUnguarded(gone);
  ::_exit(kSurvived);
}

std::string ProgramPath() {
#if defined(__APPLE__)
  char path[4096];
  uint32_t size = sizeof(path);
  return _NSGetExecutablePath(path, &size) == 0 ? path : "";
#else
  return "/proc/self/exe";
#endif
}

// The wait status of this program playing the scenario.
int Play(const std::string& scenario) {
  std::string variable = std::string(kScenarioVariable) + "=" + scenario;
  char asan[] = "ASAN_OPTIONS=handle_sigbus=0:allow_user_segv_handler=1";
  std::string program = ProgramPath();
  char scenario_test[] = "Plays_the_scenario";
  char* arguments[] = {program.data(), scenario_test, nullptr};
  const char* const profile = std::getenv("LLVM_PROFILE_FILE");  // what it runs counts, too
  std::string counters = std::string("LLVM_PROFILE_FILE=") + (profile == nullptr ? "" : profile);
  char* environment[] = {variable.data(), asan, profile == nullptr ? nullptr : counters.data(), nullptr};
  pid_t pid;
  int status = -1;
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const int error = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments, environment);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return -1;
  while (::waitpid(pid, &status, 0) < 0) {
  }
  return status;
}

bool KilledBySigbus(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS; }

bool ExitedWith(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }

TEST(A_mapped_file_cut_short_is_a_failed_read_and_not_the_end_of_the_process) {
  InstallGuard();
  MappedFile mapped(3);
  EXPECT(ReadsAs(mapped.page(2), 'c'));
  mapped.Cut(1);
  EXPECT(ReadsAs(mapped.page(0), 'a'));
  EXPECT(Faults(mapped.page(1)));
  EXPECT(Faults(mapped.page(2) + kPage - 1));
  EXPECT(ReadsAs(mapped.page(0), 'a'));
  mapped.Fill(1);
  EXPECT(ReadsAs(mapped.page(1), 'b'));
}

TEST(A_guarded_read_that_starts_well_and_runs_into_a_missing_page_fails) {
  InstallGuard();
  MappedFile mapped(2);
  mapped.Cut(1);
  std::vector<char> bytes(2 * kPage);
  EXPECT(!GuardedCopy(bytes.data(), mapped.page(0), bytes.size()));
  EXPECT(GuardedCopy(bytes.data(), mapped.page(0), kPage));
}

TEST(A_fault_in_a_nested_leaf_leaves_only_that_leaf) {
  InstallGuard();
  MappedFile mapped(3);
  mapped.Cut(1);
  bool inner = true;
  bool went_on = false;
  EXPECT(RunGuarded(mapped.page(0), mapped.page(1), [&] {
    inner = RunGuarded(mapped.page(1), mapped.page(2), [&] { TouchUnguarded(mapped.page(1)); });
    TouchUnguarded(mapped.page(0));
    went_on = true;
  }));
  EXPECT(!inner);
  EXPECT(went_on);
}

TEST(A_fault_of_a_nested_leaf_in_the_outer_range_leaves_both) {
  InstallGuard();
  MappedFile mapped(3);
  mapped.Cut(1);
  bool inner_returned = false;
  EXPECT(!RunGuarded(mapped.page(1), mapped.page(2), [&] {
    static_cast<void>(RunGuarded(mapped.page(2), mapped.page(2) + kPage, [&] { TouchUnguarded(mapped.page(1)); }));
    inner_returned = true;
  }));
  EXPECT(!inner_returned);
  EXPECT(Faults(mapped.page(2)));
  EXPECT(ReadsAs(mapped.page(0), 'a'));
}

TEST(Threads_read_through_the_guard_at_once_without_taking_each_others_faults) {
  InstallGuard();
  MappedFile mapped(3);
  mapped.Cut(1);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (uint64_t index = 0; index < 4; ++index) {
    // Threads of the Env block signals; SIGBUS must not be among them.
    threads.push_back(DefaultEnv()->StartThread("guard-test", [&, index] {
      for (int round = 0; round < 500; ++round) {
        if (!Faults(mapped.page(1 + index % 2))) ++wrong;
        if (!ReadsAs(mapped.page(0) + round, 'a')) ++wrong;
      }
    }));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

TEST(The_guard_works_again_and_again_on_an_alternate_signal_stack) {
  InstallGuard();
  MappedFile mapped(2);
  mapped.Cut(1);
  int caught = 0;
  std::thread([&] {
    std::vector<char> memory(256 << 10);
    stack_t stack = {};
    stack.ss_sp = memory.data();
    stack.ss_size = memory.size();
    stack_t before;
    CRABKV_ASSERT(::sigaltstack(&stack, &before) == 0);
    for (int round = 0; round < 10; ++round) caught += Faults(mapped.page(1)) ? 1 : 0;
    CRABKV_ASSERT(::sigaltstack(&before, nullptr) == 0);
  }).join();
  EXPECT_EQ(caught, 10);
}

TEST(A_bus_error_that_is_not_ours_still_ends_the_process) { EXPECT(KilledBySigbus(Play("default"))); }

TEST(A_bus_error_outside_the_armed_range_goes_to_the_handler_that_was_there_first) {
  EXPECT(ExitedWith(Play("other range"), kInfoHandlerSaw));
  EXPECT(ExitedWith(Play("info handler"), kInfoHandlerSaw));
  EXPECT(ExitedWith(Play("plain handler"), kPlainHandlerSaw));
}

TEST(A_bus_error_that_somebody_sends_does_what_it_did_without_us) {
  EXPECT(KilledBySigbus(Play("sent")));
  EXPECT(ExitedWith(Play("sent and ignored"), kSurvived));
}

TEST(A_guard_that_somebody_replaced_does_no_worse_than_the_default) { EXPECT(KilledBySigbus(Play("guard replaced"))); }

}  // namespace
}  // namespace crabkv::test
