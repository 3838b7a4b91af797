#include "data/dataset.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <utility>

#include "data/archive.h"
#include "data/parallel.h"
#include "kernels/digest.h"
#include "kernels/error.h"
#include "kernels/text.h"

namespace thaw {
namespace fs = std::filesystem;

struct Dataset::State {
  fs::path root;
  std::vector<Sample> samples;
  std::vector<std::string> class_names;
  std::vector<BadImage> skipped;
  bool scanned = false;  ///< every sample is known to decode

  std::mutex hash_mutex;
  std::string hash;
};

namespace {

using ClassFiles = std::map<std::string, std::vector<std::string>>;  // class -> file names

std::vector<fs::directory_entry> entries_of(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::directory_entry> entries;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) entries.push_back(*it);
  if (error) {
    fail(ErrorKind::data, "cannot read the folder '{}': {}; check that you may read it", folder.string(),
         error.message());
  }
  return entries;
}

std::vector<fs::path> folders_of(const fs::path& folder) {
  std::vector<fs::path> folders;
  for (const auto& entry : entries_of(folder)) {
    if (entry.is_directory() && !entry.path().filename().string().starts_with('.')) folders.push_back(entry.path());
  }
  return folders;
}

ClassFiles photos_of(const fs::path& root) {
  ClassFiles classes;
  for (const fs::path& folder : folders_of(root)) {
    for (const auto& entry : entries_of(folder)) {
      if (entry.is_regular_file() && is_photo_name(entry.path()))
        classes[folder.filename().string()].push_back(entry.path().filename().string());
    }
  }
  return classes;
}

std::vector<std::string> label_order(const ClassFiles& classes) {
  std::vector<std::string> names;
  for (const auto& [name, files] : classes) names.push_back(name);
  const auto& flowers = tf_flowers_class_names();
  const bool is_tf_flowers = std::is_permutation(names.begin(), names.end(), flowers.begin(), flowers.end());
  return is_tf_flowers ? flowers : names;
}

void require_two_classes(std::size_t classes, const fs::path& path) {
  if (classes >= 2) return;
  fail(ErrorKind::data,
       "'{}' holds {} photos; expected a folder with at least two class folders of .jpg, .jpeg or .png files, such as "
       "daisy/1.jpg and roses/2.jpg",
       path.string(), classes == 0 ? "no class folders with" : "only one class folder with");
}

std::vector<Sample> in_tfds_order(const ClassFiles& classes, const std::vector<std::string>& class_names) {
  std::vector<std::pair<std::array<std::uint8_t, 16>, Sample>> hashed;
  for (std::size_t label = 0; label < class_names.size(); ++label) {
    for (const std::string& file : classes.at(class_names[label])) {
      Sample sample{class_names[label] + "/" + file, static_cast<int>(label)};
      if (!is_utf8(sample.key)) {  // keys end up in reports, and JSON takes nothing else
        fail(ErrorKind::data, "a photo of class folder {} has a name that is not valid UTF-8; rename the file",
             label + 1);
      }
      hashed.emplace_back(md5("train" + sample.key), std::move(sample));
    }
  }
  // Bytes in order of significance compare like the 128-bit number.
  std::sort(hashed.begin(), hashed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<Sample> samples;
  samples.reserve(hashed.size());
  for (auto& [hash, sample] : hashed) samples.push_back(std::move(sample));
  return samples;
}

fs::path folder_for(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status)) return path;
  if (!fs::exists(status)) {
    fail(ErrorKind::data, "'{}' does not exist; give a folder of class folders or a .tgz of one", path.string());
  }
  if (!fs::is_regular_file(status) || !is_archive_name(path)) {
    fail(ErrorKind::data, "'{}' is neither a folder of class folders nor a .tgz, .tar.gz or .tar of one",
         path.string());
  }
  return unpack_archive(path);
}

}  // namespace

const std::vector<std::string>& tf_flowers_class_names() {
  static const std::vector<std::string> names{"dandelion", "daisy", "tulips", "sunflowers", "roses"};
  return names;
}

Dataset Dataset::open(const fs::path& path, const DatasetOptions& options) {
  auto state = std::make_shared<State>();
  state->root = folder_for(path);
  ClassFiles classes = photos_of(state->root);
  if (classes.empty()) {  // the archive of tf_flowers has one folder around its class folders
    const std::vector<fs::path> inner = folders_of(state->root);
    if (inner.size() == 1) {
      state->root = inner.front();
      classes = photos_of(state->root);
    }
  }
  require_two_classes(classes.size(), path);
  state->class_names = label_order(classes);
  state->samples = in_tfds_order(classes, state->class_names);
  Dataset dataset(std::move(state));
  return options.bad == BadImages::skip ? dataset.without_bad_images(nullptr, options.threads) : dataset;
}

const std::vector<Sample>& Dataset::samples() const { return state_->samples; }
const std::vector<std::string>& Dataset::class_names() const { return state_->class_names; }
const fs::path& Dataset::root() const { return state_->root; }
const std::vector<BadImage>& Dataset::skipped() const { return state_->skipped; }

fs::path Dataset::path_of(int sample) const {
  return state_->root / state_->samples.at(static_cast<std::size_t>(sample)).key;
}

std::string Dataset::content_hash() const {
  const std::lock_guard lock(state_->hash_mutex);
  if (state_->hash.empty()) {
    Sha256 hash;
    for (int i = 0; i < size(); ++i) {
      const std::vector<std::uint8_t> bytes = read_image_file(path_of(i));
      // The length separates the parts, so that no bytes can move from one photo to the next unnoticed.
      hash.add(fmt::format("{}\n{}\n", state_->samples[static_cast<std::size_t>(i)].key, bytes.size()));
      hash.add(std::span<const std::uint8_t>(bytes));
    }
    state_->hash = hash.hex();
  }
  return state_->hash;
}

Image Dataset::load(int sample) const { return load_image(path_of(sample)); }

std::vector<BadImage> Dataset::scan_bad_images(int threads) const {
  std::vector<std::string> reasons(samples().size());
  parallel_for(size(), threads, [&](int i) {
    try {
      static_cast<void>(load(i));
    } catch (const Error& error) {
      reasons[static_cast<std::size_t>(i)] = error.what();
    }
  });
  std::vector<BadImage> bad;
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    if (!reasons[i].empty()) bad.push_back({samples()[i].key, reasons[i]});
  }
  return bad;
}

Dataset Dataset::without_bad_images(std::vector<BadImage>* report, int threads) const {
  if (state_->scanned) {
    if (report != nullptr) *report = state_->skipped;
    return *this;
  }
  auto state = std::make_shared<State>();
  state->root = root();
  state->class_names = class_names();
  state->skipped = scan_bad_images(threads);
  state->scanned = true;
  auto bad = state->skipped.begin();  // in sample order, like the samples
  std::vector<int> left(class_names().size(), 0);
  for (const Sample& sample : samples()) {
    if (bad != state->skipped.end() && bad->key == sample.key) {
      ++bad;
    } else {
      ++left[static_cast<std::size_t>(sample.label)];
      state->samples.push_back(sample);
    }
  }
  for (std::size_t label = 0; label < left.size(); ++label) {
    if (left[label] > 0) continue;
    fail(ErrorKind::data, "every photo of class '{}' in '{}' is bad, the first one because: {}", class_names()[label],
         root().string(), state->skipped.front().reason);
  }
  if (report != nullptr) *report = state->skipped;
  return Dataset(std::move(state));
}

}  // namespace thaw
