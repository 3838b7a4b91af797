#include <sys/stat.h>

#include "tests/app/bad_input.h"

namespace thaw::testing {
namespace {

void write_file_named_run(const fs::path& dir) { write(dir / "run", "a file"); }

void begin_run(const fs::path& dir) { write(dir / "run/settings.json", "{}"); }

void finish_run(const fs::path& dir) {
  ASSERT_EQ(call(small_training((dir / "run").string(), {"--epochs", "1"})).code, 0);
}

void spoil_both_checkpoints(const fs::path& dir) {
  ASSERT_EQ(call(small_training((dir / "run").string(), {"--epochs", "2"})).code, 0);
  for (const char* name : {"run/checkpoint.thaw", "run/checkpoint.thaw.previous"}) {
    fs::resize_file(dir / name, fs::file_size(dir / name) / 2);
  }
}

void settings_of_another_version(const fs::path& dir) {
  finish_run(dir);
  nlohmann::json settings = read_json((dir / "run/settings.json").string());
  settings.at("settings").erase("epochs");
  write(dir / "run/settings.json", settings.dump());
}

const std::vector<BadInput> outputs = {
    {"OutIsAFile", "train {net} {photos} {out}", 1, {"'{dir}/run': it is a file", "--out"}, write_file_named_run},
    {"OutBelowAFile", "train {net} {photos} --out {dir}/run/1", 1, {"'{dir}/run/1'", "--out"}, write_file_named_run},
    {"OutWhereNobodyCanWrite", "train {net} {photos} --out /proc/thaw", 1, {"cannot make the folder '/proc/thaw'"}},
    {"OutHoldsABegunRun",
     "train {net} {photos} {out}",
     2,
     {"'{dir}/run' already holds a run that was begun", "`thaw train --resume {dir}/run`"},
     begin_run},
    {"OutHoldsAFinishedRun", "train {net} {photos} {out}", 2, {"already holds a finished run"}, finish_run},
    {"ResumeOfNothing", "train --resume {dir}/no", 3, {"'{dir}/no' holds no run", "settings.json"}},
    {"ResumeWithOtherOptions", "train --resume {dir}/no --lr 1", 2, {"--lr cannot be changed by --resume"}},
    {"ResumeOfAFinishedRun", "train --resume {dir}/run", 2, {"is finished", "--epochs above 1"}, finish_run},
    {"ResumeWithFewerEpochs", "train --resume {dir}/run --epochs 0", 2, {"--epochs wants at least 1"}, finish_run},
    {"ResumeWithDamagedSettings",
     "train --resume {dir}/run",
     3,
     {"'{dir}/run/settings.json' is damaged", "start the run again"},
     [](const fs::path& dir) { write(dir / "run/settings.json", R"({"settings":)"); }},
    {"ResumeWithSettingsOfAnotherVersion",
     "train --resume {dir}/run --epochs 3",
     3,
     {"'{dir}/run/settings.json' cannot be read", "another version of thaw"},
     settings_of_another_version},
    {"ResumeWithTwoDamagedCheckpoints",
     "train --resume {dir}/run --epochs 3",
     3,
     {"'{dir}/run/checkpoint.thaw' is a damaged checkpoint", "nor is there a sound one before it"},
     spoil_both_checkpoints},
    {"WeightsIntoAMissingDevice", "weights synth mobilenet_v3_small --out /proc/thaw/w.h5", 1, {"/proc/thaw"}},
    {"WeightsOntoAFolder",
     "weights synth mobilenet_v3_small --out {dir}/run",
     1,
     {"'{dir}/run'"},
     [](const fs::path& dir) { fs::create_directories(dir / "run"); }},
    {"DrawnPhotosBelowAFile",
     "data synth --out {dir}/run/x --per-class 1 --size 32",
     1,
     {"{dir}/run"},
     write_file_named_run},
    {"WeightsBeyondTheFileLimit",
     "weights synth mobilenet_v3_small --out {dir}/w.h5",
     1,
     {"cannot write '{dir}/w.h5': File too large", "bytes are wanted, `ulimit -f` allows 100000"},
     nullptr,
     {.file_limit = 100'000}},
    {"FileInPlaceOfAPipe",
     "weights synth mobilenet_v3_small --out {dir}/pipe",
     1,
     {"cannot write '{dir}/pipe': it is no regular file"},
     [](const fs::path& dir) { ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0); }},
};

INSTANTIATE_TEST_SUITE_P(Outputs, BadInputTest, ::testing::ValuesIn(outputs), name_of_row);

}  // namespace
}  // namespace thaw::testing
