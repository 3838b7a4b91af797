#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "app/cli.h"
#include "kernels/files.h"

namespace thaw::testing {

namespace fs = std::filesystem;

/// What a call of the command left behind.
struct Outcome {
  int code = 0;
  std::string out, err;
};

/// Runs `thaw WORDS...` inside this process, printing to `out` and `err`.
inline int run_words(const std::vector<std::string>& words, std::ostream& out, std::ostream& err) {
  std::vector<const char*> argv = {"thaw"};
  for (const std::string& word : words) argv.push_back(word.c_str());
  return run(static_cast<int>(argv.size()), argv.data(), out, err);
}

inline Outcome call(const std::vector<std::string>& words) {
  std::ostringstream out, err;
  const int code = run_words(words, out, err);
  return {code, out.str(), err.str()};
}

/// A folder of its own for one test, removed with it.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (fs::temp_directory_path() / "thaw-app-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  [[nodiscard]] std::string at(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Drawn photos, made once for all tests of the process: five classes of eight photos of 32 pixels.
inline const std::string& drawn_photos() {
  static const TempFolder folder;
  static const std::string path = [] {
    const Outcome drawn = call({"data", "synth", "--out", folder.at("drawn"), "--per-class", "8", "--size", "32"});
    if (drawn.code != 0) throw std::runtime_error(drawn.err);
    return folder.at("drawn");
  }();
  return path;
}

inline nlohmann::json read_json(const std::string& path) { return nlohmann::json::parse(read_file(path)); }

/// A small, quick training on drawn photos; `more` overrides nothing but may add options.
inline std::vector<std::string> small_training(const std::string& out, const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"train",
                                    "--model",
                                    "mobilenet_v3_small",
                                    "--weights",
                                    "synth",
                                    "--data",
                                    drawn_photos(),
                                    "--split",
                                    "train=train[:60%],val=train[60%:80%],test=train[80%:]",
                                    "--size",
                                    "32",
                                    "--batch",
                                    "8",
                                    "--device",
                                    "cpu",
                                    "--dtype",
                                    "f32",
                                    "--out",
                                    out};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// $NAME as a folder that exists, or an empty path.
inline fs::path folder_of(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && fs::is_directory(value) ? fs::path(value) : fs::path();
}

}  // namespace thaw::testing
