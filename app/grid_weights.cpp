#include "app/grid_weights.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

#include "app/session.h"
#include "kernels/error.h"
#include "kernels/files.h"
#include "weights/manifest.h"

namespace thaw {
namespace fs = std::filesystem;

namespace {

std::vector<std::string> texts(const std::vector<fs::path>& folders) {
  std::vector<std::string> all;
  all.reserve(folders.size());
  for (const fs::path& folder : folders) all.push_back(fmt::format("'{}'", folder.string()));
  return all;
}

/// Files of this model by their names, sorted.
std::vector<fs::path> files_of(const std::string& model, const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with(model) && name.ends_with(".h5")) found.push_back(it->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string named_file(const std::string& text, const std::vector<fs::path>& folders) {
  for (const fs::path& folder : folders) {
    if (fs::exists(folder / text)) return (folder / text).string();
  }
  if (fs::exists(text)) return text;
  fail(ErrorKind::data, "there is no weights file '{}' in {}; give its folder with --weights-dir", text,
       fmt::join(texts(folders), ", "));
}

}  // namespace

std::vector<fs::path> standard_weight_folders() {
  std::vector<fs::path> folders;
  if (const char* assets = std::getenv("THAW_ASSETS"); assets != nullptr && *assets != '\0')
    folders.emplace_back(assets);
  folders.push_back(cache_folder());
  return folders;
}

std::string find_weights(const std::string& text, const std::string& model, const std::vector<fs::path>& folders) {
  if (!text.empty()) return is_weight_file(text) ? named_file(text, folders) : text;
  const KnownFile* official = known_file_of_model(model, false);
  for (const fs::path& folder : folders) {
    if (official != nullptr && fs::exists(folder / official->file_name)) return (folder / official->file_name).string();
    const std::vector<fs::path> found = files_of(model, folder);
    if (found.size() == 1) return found.front().string();
    if (found.size() > 1) {
      fail(ErrorKind::data, "'{}' has {} weights files of {} ({}, {}, ...); name one in the grid: weights = \"{}\"",
           folder.string(), found.size(), model, found[0].filename().string(), found[1].filename().string(),
           found[0].filename().string());
    }
  }
  fail(ErrorKind::data,
       "there is no weights file of {} ({}) in {}; `thaw fetch weights {}` downloads the official one, --weights-dir "
       "names another folder, and --set train.weights=synth does without",
       model, official != nullptr ? fmt::format("{} or {}*.h5", official->file_name, model) : model + "*.h5",
       fmt::join(texts(folders), ", "), model);
}

}  // namespace thaw
