#include "kernels/cuda/conv_choices.h"

#include <fmt/format.h>

#include <cctype>
#include <span>
#include <string_view>
#include <system_error>

#include "kernels/digest.h"
#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw::cuda {

namespace {

constexpr std::uintmax_t kLargestFile = 8U << 20;
constexpr std::string_view kDigest = "sha256 ";

/// "NVIDIA H200" -> "nvidia-h200", as a file is named.
std::string slug(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (std::isalnum(u) != 0 || c == '.') {
      out += static_cast<char>(std::tolower(u));
    } else if (!out.empty() && out.back() != '-') {
      out += '-';
    }
  }
  return out;
}

std::string digest_of(std::string_view text) {
  Sha256 sum;
  sum.add(text);
  return sum.hex();
}

/// The first line of `text`, which loses it; without its end.
std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return line;
}

}  // namespace

ConvChoices::ConvChoices(const std::filesystem::path& folder, std::string device, std::string version)
    : device_(std::move(device)), version_(std::move(version)) {
  if (folder.empty()) return;
  path_ = folder / fmt::format("{}_{}.plans", slug(device_), slug(version_));
  known_ = read();
}

std::optional<ConvChoice> ConvChoices::find(const std::string& request) const {
  for (const Map* map : {&fresh_, &known_}) {
    if (const auto found = map->find(request); found != map->end()) return found->second;
  }
  return std::nullopt;
}

void ConvChoices::set(const std::string& request, ConvChoice choice) {
  if (find(request) != choice) fresh_[request] = std::move(choice);
}

std::string ConvChoices::head() const {
  return fmt::format("thaw plans 1\ndevice {}\nversion {}\n", device_, version_);
}

ConvChoices::Map ConvChoices::read() {
  std::error_code none;
  const std::uintmax_t size = std::filesystem::file_size(path_, none);
  if (none) return {};
  const auto refuse = [this](std::string_view reason) {
    notes_.push_back(fmt::format("{} is not used: {}; engines are chosen anew", path_.string(), reason));
    return Map();
  };
  if (size > kLargestFile) return refuse("it is too large to be a file of chosen engines");
  std::string text;
  try {
    text = read_file(path_);
  } catch (const Error& error) {
    return refuse(error.what());
  }
  const std::size_t end = text.rfind(kDigest);
  if (end == std::string::npos || text.substr(end) != fmt::format("{}{}\n", kDigest, digest_of(text.substr(0, end)))) {
    return refuse("its digest does not fit its content");
  }
  std::string_view rest = std::string_view(text).substr(0, end);
  if (!rest.starts_with(head())) return refuse(fmt::format("it is not about {} and {}", device_, version_));
  rest.remove_prefix(head().size());
  Map map;
  while (!rest.empty()) {
    const std::string_view line = next_line(rest);
    const std::size_t first = line.find('\t');
    const std::size_t second = first == std::string_view::npos ? first : line.find('\t', first + 1);
    if (second == std::string_view::npos) return refuse("a line has no engine");
    map[std::string(line.substr(0, first))] = {.engine = std::string(line.substr(first + 1, second - first - 1)),
                                               .timed = line.substr(second + 1) == "timed"};
  }
  return map;
}

void ConvChoices::save() {
  if (path_.empty() || fresh_.empty()) return;
  known_ = read();
  for (auto& [request, choice] : fresh_) known_[request] = choice;
  fresh_.clear();
  std::string text = head();
  for (const auto& [request, choice] : known_) {
    text += fmt::format("{}\t{}\t{}\n", request, choice.engine, choice.timed ? "timed" : "heuristics");
  }
  text += fmt::format("{}{}\n", kDigest, digest_of(text));
  write_file_atomically(path_, text);
}

}  // namespace thaw::cuda
