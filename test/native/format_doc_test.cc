// The worked example in native/FORMAT.md is what the code writes: the same little store is made here, on an Env with
// fixed time and chance, and its segment and MANIFEST are compared with the document's hex dumps byte for byte. Runs in
// the project's root.
#include <cstdio>
#include <fstream>
#include <sstream>

#include "native/core/store.h"
#include "test/native/harness.h"
#include "test/native/mem_env.h"

namespace crabkv {
namespace {

// The bytes of the document's block that begins with "```hexdump <name>": rows of an offset and up to 16 bytes, then
// anything behind a '|'.
std::string Documented(const std::string& name) {
  std::ifstream document("native/FORMAT.md");
  EXPECT(document.good());
  std::string line;
  std::string bytes;
  bool inside = false;
  while (std::getline(document, line)) {
    if (line == "```hexdump " + name) {
      inside = true;
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      std::istringstream row(line.substr(0, line.find('|')));
      std::string word;
      row >> word;  // the offset
      while (row >> word) bytes.push_back(static_cast<char>(std::stoi(word, nullptr, 16)));
    }
  }
  return bytes;
}

std::string HexDump(const std::string& bytes) {
  std::string dump;
  char text[32];
  for (size_t i = 0; i < bytes.size(); i++) {
    if (i % 16 == 0) {
      std::snprintf(text, sizeof(text), "%s%04zx ", i == 0 ? "" : "\n", i);
      dump += text;
    }
    std::snprintf(text, sizeof(text), " %02x", static_cast<unsigned>(static_cast<unsigned char>(bytes[i])));
    dump += text;
  }
  return dump;
}

void ExpectDocumented(const test::MemEnv& env, const std::string& file, const std::string& name) {
  std::string written;
  EXPECT(env.Content("/db/" + file, &written));
  if (Documented(name) == written) return;
  test::Fail(__FILE__, __LINE__,
             "native/FORMAT.md shows other bytes for " + file + " than these:\n" + HexDump(written));
}

TEST(The_hex_dumps_in_the_format_document_are_what_the_code_writes) {
  test::MemEnv env;
  std::shared_ptr<Store> store;
  REQUIRE_OK(Store::Open(&env, "/db", Options(), &store));
  Operation operations[3];
  operations[0].key = "greeting";
  operations[0].value = "hello";
  operations[1].key = "session";
  operations[1].value = "on";
  operations[1].expires_at_ms = 1'700'000'060'000;
  operations[2].kind = Operation::Kind::kDelete;
  operations[2].key = "greeting";
  Commit commit;
  EXPECT_OK(store->Write(operations, 3, DiskWait::kAllowed, &commit));
  EXPECT_OK(store->WaitFor(commit.group, true));
  EXPECT_OK(store->Close());
  ExpectDocumented(env, "00000001.log", "segment");
  ExpectDocumented(env, "MANIFEST", "manifest");
}

}  // namespace
}  // namespace crabkv
