#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grid/report.h"

namespace thaw::grid {

/// "ResNet50" for resnet50; an unknown id as it is.
std::string model_name(const std::string& id);
/// A word for tables: "frozen", "blocks", "layers", "everything", "other".
const char* name_of(Strategy strategy);
/// What a row unfreezes, to stand behind "with": "the base frozen", "the last 3 blocks unfrozen".
std::string unfrozen_text(const ReportRow& row);
/// The same for a label: "frozen", "3 blocks", "from layer 120".
std::string unfrozen_label(const ReportRow& row);
/// The paper's name of the hyperparameter, or empty.
const char* hyperparameter_of(Strategy strategy);

std::string decimals(double value, int digits = 2);
/// With its sign, a true minus: "+1.20", "−0.35", "0.00".
std::string signed_text(double value, int digits = 2);
/// "91.55", or "91.55 ± 0.42" over several seeds; `absent` for nothing.
std::string spread_text(const std::optional<Spread>& spread, int digits = 2, const char* absent = "–");
std::string seconds_text(double seconds);
std::string count_text(std::int64_t count);
/// "1 experiment", "3 experiments".
std::string plural(std::int64_t count, const std::string& noun);
/// "a", "a and b", "a, b and c".
std::string list_text(const std::vector<std::string>& items);
/// A scalar setting without quotes, empty for null; "…" for what is no scalar.
std::string value_text(const nlohmann::json& value);
/// "finished", or "2 of 3 finished, 1 failed"; one state's name where there is one experiment.
std::string state_text(const ReportRow& row);

}  // namespace thaw::grid
