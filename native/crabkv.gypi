# The one description of the native build: release and sanitizer variants differ only by the variables below.
# Paths written here are relative to native/; what a command prints is relative to the root, the include root of our code.
# Sources come from a command, which also keeps gyp from following the symbolic links of a variant's tree.
# Run by native/scripts/build.mjs, which first copies Google's snappy into native/.deps.
{
  "variables": {
    # "", "address" (ASan and UBSan, and counters of which lines and branches run; clang), "thread" (TSan) or
    # "fuzzer" (libFuzzer, ASan and UBSan; clang).
    "sanitize%": "",
    # 0 where the compiler is another than the one that all the code is written for.
    "warnings_are_errors%": 1,
    # One preprocessor name for our own targets, for mutants and experiments; "" for none.
    "extra_define%": "",
    "os_folder": "linux",
    "conditions": [
      ["OS=='mac'", {"os_folder": "mac"}],
      ["OS=='freebsd'", {"os_folder": "freebsd"}],
      ["OS=='openbsd'", {"os_folder": "openbsd"}],
    ],
  },
  "target_defaults": {
    "default_configuration": "Release",
    "cflags": ["-fvisibility=hidden"],
    # gnu++20 is what newer Node headers ask for; the core is C++17 on every compiler.
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-std=gnu++2a"],
    "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-fvisibility-inlines-hidden"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
      "CLANG_CXX_LIBRARY": "libc++",
      "GCC_ENABLE_CPP_EXCEPTIONS": "NO",
      "GCC_ENABLE_CPP_RTTI": "NO",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
    },
    "conditions": [
      ["sanitize!=''", {
        # configurations is where Node's own -O3 sits; it must go from there, or it wins over -O1. Reports name lines, which
        # is what -g1 knows of: all of -g takes the compiler nearly as long again.
        "configurations": {"Release": {"cflags!": ["-O3", "-fomit-frame-pointer"]}},
        "cflags": ["-O1", "-g1", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all"],
      }],
      ["sanitize=='address'", {
        # vptr checks need RTTI, which this build does without. Lines and branches are counted of the core only, and nowhere unless
        # LLVM_PROFILE_FILE says where; counters can lie in that file itself, so that those of a killed process are there, too.
        "cflags": ["-fsanitize=address,undefined", "-fno-sanitize=vptr", "-fprofile-instr-generate=/dev/null",
                   "-fcoverage-mapping", "-fprofile-list=../native/coverage-sources.txt",
                   "-mllvm", "-runtime-counter-relocation"],
        "ldflags": ["-fsanitize=address,undefined", "-fprofile-instr-generate"],
      }],
      ["sanitize=='fuzzer'", {
        "cflags": ["-fsanitize=fuzzer-no-link,address,undefined", "-fno-sanitize=vptr"],
        "ldflags": ["-fsanitize=address,undefined"],
      }],
      ["sanitize=='thread'", {
        # Instrumented code makes the compiler see uninitialized variables where there are none.
        "cflags": ["-fsanitize=thread", "-Wno-maybe-uninitialized"],
        "ldflags": ["-fsanitize=thread"],
      }],
    ],
    "target_conditions": [
      ["_target_name=='snappy' and (sanitize=='address' or sanitize=='fuzzer')", {
        # It loads words at any address, on purpose.
        "cflags": ["-fno-sanitize=undefined"],
      }],
      # Our own code compiles without a warning; snappy is not ours to change.
      ["_target_name!='snappy'", {
        "include_dirs": [".."],
        "cflags!": ["-Wno-unused-parameter"],
        "cflags": ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"],
        "cflags_cc": ["-Wnon-virtual-dtor", "-Wold-style-cast", "-Woverloaded-virtual"],
        "xcode_settings": {
          "WARNING_CFLAGS": ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wnon-virtual-dtor",
                               "-Werror"],
        },
        "conditions": [
          ["extra_define!=''", {"defines": ["<(extra_define)"]}],
          # clang warns of other things than the compiler that all the code is written for.
          ["sanitize=='fuzzer' or sanitize=='address' or warnings_are_errors==0", {"cflags!": ["-Werror"]}],
        ],
      }],
    ],
  },
  "targets": [
    {
      # Google's Snappy, unchanged, with the configuration that classic-level ships for each system.
      "target_name": "snappy",
      "type": "static_library",
      "defines": ["HAVE_CONFIG_H=1"],
      "include_dirs": [".deps/snappy/<(os_folder)", ".deps/snappy/snappy"],
      "direct_dependent_settings": {
        "include_dirs": [".deps/snappy/<(os_folder)", ".deps/snappy/snappy"],
      },
      "cflags": ["-Wno-sign-compare", "-Wno-unused-function", "-Wno-unused-parameter"],
      "sources": ["<!@(node native/scripts/list-sources.mjs native/.deps/snappy/snappy)"],
    },
    {
      # The engine: no Node-API in it.
      "target_name": "crabkv_core",
      "type": "static_library",
      "dependencies": ["snappy"],
      "sources": ["<!@(node native/scripts/list-sources.mjs native/core)"],
    },
    {
      # RESP and text: bytes in, commands run, reply bytes out. No sockets, no Node-API.
      "target_name": "crabkv_protocol",
      "type": "static_library",
      "dependencies": ["crabkv_core", "snappy"],
      "sources": ["<!@(node native/scripts/list-sources.mjs native/protocol)"],
    },
    {
      "target_name": "crabkv",
      "dependencies": ["crabkv_protocol", "crabkv_core", "snappy"],
      "defines": ["NAPI_VERSION=9"],
      "sources": ["<!@(node native/scripts/list-sources.mjs native/addon)"],
      "conditions": [
        # Node unloads addons of finished workers, under running threads if this library let it.
        ["OS=='linux' or OS=='freebsd'", {"ldflags": ["-Wl,-z,nodelete"]}],
      ],
    },
    {
      "target_name": "crabkv_tests",
      "type": "executable",
      # The tests themselves, not what they test: they are compiled more often than they run.
      "configurations": {"Release": {"cflags!": ["-O3"], "cflags": ["-O1"]}},
      "dependencies": ["crabkv_protocol", "crabkv_core", "snappy"],
      "sources": ["<!@(node native/scripts/list-sources.mjs test/native)"],
    },
  ],
  "conditions": [
    ["sanitize==''", {
      "targets": [
        {
          # What test/instructions/run.mjs counts the instructions of.
          "target_name": "crabkv_instructions",
          "type": "executable",
          "dependencies": ["crabkv_protocol", "crabkv_core", "snappy"],
          "sources": [
            "<!@(node native/scripts/list-sources.mjs test/instructions)",
            "../test/native/mem_env.cc",
            "../test/native/mem_env_crash.cc",
            "../test/native/mem_env_directories.cc",
            "../test/native/mem_env_trace.cc",
            "../test/native/mem_file.cc",
            "../test/native/power_cut.cc",
            "../test/native/trace.cc",
          ],
        },
      ],
    }],
    ["sanitize=='fuzzer'", {
      "targets": [
        {
          "target_name": "crabkv_fuzz",
          "type": "executable",
          "dependencies": ["crabkv_protocol", "crabkv_core", "snappy"],
          "ldflags": ["-fsanitize=fuzzer"],
          "sources": [
            "<!@(node native/scripts/list-sources.mjs test/fuzz)",
            "../test/native/mem_env.cc",
            "../test/native/mem_env_crash.cc",
            "../test/native/mem_env_directories.cc",
            "../test/native/mem_env_trace.cc",
            "../test/native/mem_file.cc",
            "../test/native/power_cut.cc",
            "../test/native/trace.cc",
          ],
        },
      ],
    }],
  ],
}
