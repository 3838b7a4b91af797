// Whether a weight file may be used (declared in weights/inspect.h).
#include <algorithm>
#include <cmath>

#include "kernels/digest.h"
#include "kernels/error.h"
#include "weights/inspect.h"
#include "weights/manifest.h"
#include "weights/thaw_h5.h"

namespace thaw {
namespace {

void check_values(const NamedTensor& tensor, Verification& result) {
  const auto count_if = [&](auto predicate) {
    return std::count_if(tensor.data.begin(), tensor.data.end(), predicate);
  };
  const auto bad = count_if([](float v) { return !std::isfinite(v); });
  const auto zeros = count_if([](float v) { return v == 0.0F; });
  const bool all_zero = zeros == static_cast<std::ptrdiff_t>(tensor.data.size());
  if (bad > 0) {
    result.problems.push_back(fmt::format("'{}' holds {} values that are not finite", tensor.name, bad));
  }
  if (tensor.name.ends_with("/kernel") && all_zero) {
    result.problems.push_back(fmt::format("'{}' is all zero, as if it had never been written", tensor.name));
  }
  if (!tensor.name.ends_with("/moving_variance")) return;
  const auto negative = count_if([](float v) { return v < 0.0F; });
  if (negative > 0 || all_zero) {
    result.problems.push_back(
        fmt::format("'{}' holds {}, which no batch norm computes", tensor.name,
                    all_zero ? "variances that are all zero" : fmt::format("{} negative variances", negative)));
  } else if (zeros > 0) {
    result.notes.push_back(fmt::format("'{}' holds {} variances of exactly 0 (dead channels)", tensor.name, zeros));
  }
}

void check_manifest(const std::filesystem::path& path, Verification& result) {
  const KnownFile* by_content = known_file_by_md5(result.md5);
  const KnownFile* by_name = known_file_by_name(path.filename().string());
  if (by_content != nullptr && !by_content->trap.empty()) {
    result.problems.push_back(fmt::format("the file cannot be used: {}", by_content->trap));
  } else if (by_content != nullptr) {
    result.notes.push_back(fmt::format("the content is the official {}", by_content->file_name));
  } else if (by_name != nullptr) {
    result.problems.push_back(fmt::format(
        "the file has the name of an official one but md5 {} instead of {}: it is damaged, changed or old; get {}",
        result.md5, by_name->md5, download_url(*by_name)));
  } else {
    result.notes.push_back("the content is none of the official files, so only its structure and values vouch for it");
  }
}

}  // namespace

nlohmann::json Verification::json() const {
  return {{"ok", ok()}, {"problems", problems}, {"notes", notes}, {"md5", md5}, {"sha256", sha256}};
}

Verification verify(const std::filesystem::path& path, const ModelSpec& spec) {
  Verification result;
  try {
    result.md5 = md5_file(path);
    result.sha256 = sha256_file(path);
    check_manifest(path, result);
    const WeightSet set = read_weights(path, spec);
    result.notes.insert(result.notes.end(), set.notes.begin(), set.notes.end());
    for (const NamedTensor& tensor : set.tensors) check_values(tensor, result);
  } catch (const Error& error) {
    result.problems.emplace_back(error.what());
  }
  return result;
}

}  // namespace thaw
