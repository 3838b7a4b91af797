#include <fmt/format.h>

#include <algorithm>

#include "grid/json_fields.h"
#include "grid/report_findings.h"
#include "grid/report_text.h"

namespace thaw::grid {
using nlohmann::json;

namespace {

void add_distinct(std::vector<std::string>& values, const std::string& value) {
  if (!value.empty() && std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
}

std::string device_text(const json& result) {
  const json device = object_in(result, "device");
  if (device.is_null()) return {};
  std::string text = text_in(device, "backend");
  if (const std::string name = text_in(device, "name"); !name.empty()) text += ": " + name;
  if (const auto threads = count_in(device, "threads")) text += ", " + plural(*threads, "thread");
  return text;
}

std::string weights_text(const ExperimentRecord& experiment) {
  const std::string source = text_in(experiment.result, "weights_source");
  const std::string digest = text_in(experiment.result, "weights_sha256");
  if (source.empty()) return {};
  return fmt::format("{}: {}{}", model_name(experiment.model), source, digest.empty() ? "" : ", sha256 " + digest);
}

std::string split_text(const json& result) {
  const json split = object_in(result, "split");
  if (split.is_null()) return {};
  return fmt::format("{} train, {} validation, {} test", split.value("train", json()).dump(),
                     split.value("val", json()).dump(), split.value("test", json()).dump());
}

/// What its results, or settings where there is none yet, say of an experiment's weights.
std::string weights_of(const ExperimentRecord& experiment) {
  if (!experiment.result.is_null()) return text_in(experiment.result, "weights_source");
  const auto at = experiment.settings.find("weights");
  return at == experiment.settings.end() ? std::string() : value_text(*at);
}

struct Tally {
  int finished = 0, drawn = 0, synth = 0, random = 0;
};

Tally tally_of(const GridRecord& record) {
  Tally tally;
  for (const ExperimentRecord& experiment : record.experiments) {
    const std::string weights = weights_of(experiment);
    tally.synth += weights == "synth" ? 1 : 0;
    tally.random += weights == "none" ? 1 : 0;
    if (experiment.state != State::finished) continue;
    ++tally.finished;
    tally.drawn += flag_in(experiment.result, "drawn_photos") ? 1 : 0;
  }
  return tally;
}

/// "All 12 results" or "3 of 12 results".
std::string share_text(int some, int all, const std::string& noun) {
  if (all == 1) return "The only " + noun;
  return some == all ? fmt::format("All {} {}s", all, noun) : fmt::format("{} of {} {}s", some, all, noun);
}

/// The verb that goes with `share_text`.
const char* verb(int some, int all, const char* singular, const char* several) {
  return all == 1 || some == 1 ? singular : several;
}

void add_loud_notices(const GridRecord& record, std::vector<Notice>& notices) {
  const Tally tally = tally_of(record);
  const auto all = static_cast<int>(record.experiments.size());
  if (tally.drawn > 0) {
    notices.push_back(
        {true, fmt::format("DRAWN PHOTOS. {} {} from drawn pictures: these figures say nothing about real "
                           "photos.",
                           share_text(tally.drawn, tally.finished, "result"),
                           verb(tally.drawn, tally.finished, "comes", "come"))});
  }
  if (tally.synth > 0) {
    notices.push_back(
        {true, fmt::format("SYNTHETIC WEIGHTS. {} {} from a deterministic fill instead of pretrained "
                           "weights: times mean something, accuracies do not.",
                           share_text(tally.synth, all, "experiment"), verb(tally.synth, all, "starts", "start"))});
  }
  if (tally.random > 0) {
    notices.push_back(
        {true, fmt::format("NO PRETRAINED WEIGHTS. {} {} from random weights: nothing here is transfer "
                           "learning.",
                           share_text(tally.random, all, "experiment"), verb(tally.random, all, "starts", "start"))});
  }
}

/// Results that must not be compared without a word.
void add_mixture_notices(const GridRecord& record, std::vector<Notice>& notices) {
  auto provenance = provenance_of(record.experiments);
  const auto mixed = [&](const char* key, const char* text) {
    const std::size_t count = provenance[key].size();
    if (count > 1) notices.push_back({false, fmt::format("The results come from {} {}.", count, text)});
  };
  mixed("photos", "different sets of photos, so their accuracies are not comparable");
  mixed("thaw", "different versions of thaw");
  mixed("device", "different devices, so their times are not comparable");
}

}  // namespace

std::map<std::string, std::vector<std::string>> provenance_of(const std::vector<ExperimentRecord>& experiments) {
  std::map<std::string, std::vector<std::string>> out;
  for (const ExperimentRecord& experiment : experiments) {
    if (experiment.state != State::finished) continue;
    const json& result = experiment.result;
    add_distinct(out["thaw"], text_in(result, "thaw"));
    add_distinct(out["device"], device_text(result));
    add_distinct(out["number type"], text_in(result, "dtype"));
    add_distinct(out["weights"], weights_text(experiment));
    add_distinct(out["photos"], text_in(result, "data_sha256"));
    add_distinct(out["split"], split_text(result));
  }
  std::erase_if(out, [](const auto& entry) { return entry.second.empty(); });
  return out;
}

std::vector<Notice> notices_of(const GridRecord& record) {
  std::vector<Notice> notices;
  add_loud_notices(record, notices);
  add_mixture_notices(record, notices);
  return notices;
}

}  // namespace thaw::grid
