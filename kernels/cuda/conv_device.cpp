#include "kernels/cuda/conv_device.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "kernels/error.h"
#include "kernels/files.h"
#include "kernels/nearest.h"
#include "kernels/printable.h"

namespace thaw::cuda {

namespace {

using Json = nlohmann::json;

/// A number of the file within bounds that any GPU keeps.
std::int64_t number(const Json& file, const char* key, std::int64_t least, std::int64_t most, std::string_view source) {
  const auto found = file.find(key);
  if (found == file.end() || !found->is_number_integer()) {
    fail(ErrorKind::data, "{}: a GPU's description wants a whole number \"{}\"; `thaw plan --help` says how to get one",
         source, key);
  }
  const auto value = found->get<std::int64_t>();
  if (value < least || value > most) {
    fail(ErrorKind::data, "{}: \"{}\" is {}, which no GPU has (expected {} to {})", source, key, value, least, most);
  }
  return value;
}

}  // namespace

DeviceFile DeviceFile::parse(std::string json, std::string_view source) {
  const Json file = Json::parse(json, nullptr, false);
  if (!file.is_object()) {
    fail(ErrorKind::data, "{}: not a GPU's description, which is a JSON object; `thaw plan --help` says how to get one",
         source);
  }
  const auto name = file.find("deviceName");
  if (name == file.end() || !name->is_string()) {
    fail(ErrorKind::data, "{}: a GPU's description wants a text \"deviceName\"", source);
  }
  DeviceFile device{.name = printable(name->get<std::string>())};
  device.sm = static_cast<int>(number(file, "deviceVer", 500, 9999, source) / 10);
  device.memory_bytes =
      static_cast<std::size_t>(number(file, "totalGlobalMem", std::int64_t{1} << 28, std::int64_t{1} << 42, source));
  device.json = std::move(json);
  return device;
}

std::vector<std::string> known_devices() {
  std::vector<std::string> names;
  for (const DeviceText& known : device_texts()) names.emplace_back(known.name);
  return names;
}

DeviceFile find_device(const std::string& name_or_file) {
  for (const DeviceText& known : device_texts()) {
    if (known.name == name_or_file) return DeviceFile::parse(std::string(known.json), known.name);
  }
  if (name_or_file.find_first_of("./") != std::string::npos) {
    return DeviceFile::parse(read_file(name_or_file), printable(name_or_file));
  }
  const std::vector<std::string> names = known_devices();
  fail(ErrorKind::usage, "no GPU is known as '{}'{}; there are {}, and a description can be given as FILE.json",
       printable(name_or_file), did_you_mean(name_or_file, names), fmt::join(names, ", "));
}

}  // namespace thaw::cuda
