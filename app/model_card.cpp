#include "app/model_card.h"

#include <algorithm>

#include "app/options.h"
#include "app/whole_number.h"
#include "kernels/digest.h"
#include "kernels/error.h"
#include "weights/h5_reader.h"
#include "weights/manifest.h"
#include "weights/rehearsal.h"

namespace thaw {

namespace {

constexpr const char* kKey = "model_card";

std::vector<int> widths_from(const nlohmann::json& json) {
  std::vector<int> widths;
  for (const nlohmann::json& width : json) widths.push_back(whole_number<int>(width));
  return widths;
}

ModelCard parse_card(const std::string& text, const std::string& label) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    return {.model = json.at("model").get<std::string>(),
            .size = whole_number<int>(json.at("size")),
            .hidden = widths_from(json.at("hidden")),
            .dropout = json.at("dropout").get<double>(),
            .class_names = json.at("class_names").get<std::vector<std::string>>(),
            .split = json.at("split").get<std::string>(),
            .training = json.at("training")};
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::data, "{} has a model card that cannot be read ({}); write the file again", label,
         reason_of(error));
  }
}

ModelCard read_open_file(const std::filesystem::path& path) {
  h5::Reader file(path);
  if (file.text("", "format").value_or("") == "thaw-weights") {
    const std::string entry = std::string("metadata/") + kKey;
    if (file.has("metadata") && file.has(entry)) return parse_card(file.text_dataset(entry), file.label());
    return {.model = file.text("", "model_id").value_or("")};
  }
  const KnownFile* known = known_file_by_md5(md5_file(path));
  return {.model = known == nullptr ? std::string() : std::string(known->model_id)};
}

}  // namespace

HeadOptions ModelCard::head() const {
  return {.classes = static_cast<int>(class_names.size()), .hidden = hidden, .dropout = dropout};
}

Metadata ModelCard::metadata() const {
  const nlohmann::json json = {
      {"model", model}, {"size", size},        {"hidden", hidden}, {"dropout", dropout}, {"class_names", class_names},
      {"split", split}, {"training", training}};
  return {{kKey, json.dump()}};
}

ModelCard read_model_card(const std::filesystem::path& path) {
  const auto read = [&] { return read_open_file(path); };
  rehearse(path, read);
  return read();
}

bool are_drawn(const std::vector<std::string>& class_names) {
  return std::any_of(class_names.begin(), class_names.end(),
                     [](const std::string& name) { return name.starts_with("drawn_"); });
}

}  // namespace thaw
