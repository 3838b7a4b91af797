#include "grid/report_settings.h"

#include <set>

#include "grid/report_text.h"

namespace thaw::grid {

namespace {

bool has_a_column(const std::string& name) {
  return name == "model" || name == "unfreeze" || name == "epochs" || name == "seed";
}

}  // namespace

std::string setting_text(const ExperimentRecord& experiment, const std::string& name) {
  const auto at = experiment.settings.find(name);
  return at == experiment.settings.end() || at->is_null() ? std::string() : value_text(*at);
}

SettingsSplit split_settings(const std::vector<ExperimentRecord>& experiments) {
  std::set<std::string> names;
  for (const ExperimentRecord& experiment : experiments) {
    for (const auto& [name, value] : experiment.settings.items()) {
      if (!has_a_column(name)) names.insert(name);
    }
  }
  SettingsSplit out;
  for (const std::string& name : names) {
    std::set<std::string> all;
    std::map<std::string, std::set<std::string>> by_model;
    for (const ExperimentRecord& experiment : experiments) {
      const std::string value = setting_text(experiment, name);
      all.insert(value);
      by_model[experiment.model].insert(value);
    }
    bool one_within_each = true;
    for (const auto& [model, values] : by_model) one_within_each = one_within_each && values.size() == 1;
    if (all.size() == 1) {
      out.common[name] = *all.begin();
    } else if (one_within_each) {
      for (const auto& [model, values] : by_model) out.of_model[model][name] = *values.begin();
    } else {
      out.varied.push_back(name);
    }
  }
  return out;
}

}  // namespace thaw::grid
