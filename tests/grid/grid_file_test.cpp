#include "grid/grid_file.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "kernels/error.h"

namespace thaw::grid {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const KnownSettings& known() {
  static const KnownSettings settings = {.standard = {{"model", ""},
                                                      {"unfreeze", "none"},
                                                      {"bn", "train"},
                                                      {"epochs", 10},
                                                      {"lr", 5e-4},
                                                      {"flip", false},
                                                      {"seed", 0},
                                                      {"threads", 0}},
                                         .elsewhere = {"threads"}};
  return settings;
}

GridFile parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_grid(text, "grid.toml", known(), overrides);
}

std::vector<std::string> names(const GridFile& grid) {
  std::vector<std::string> all;
  for (const Experiment& e : grid.experiments) all.push_back(e.name);
  return all;
}

std::string refusal(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    parse(text, overrides);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << text;
  return {};
}

TEST(GridFile, AScalarIsFixedAndAnArrayIsAnAxisTheFirstMovingSlowest) {
  const GridFile grid = parse(R"(
    title = "a grid"
    [train]
    unfreeze = ["none", "blocks:3"]
    model = "toy"
    seed = [1, 2]
    lr = 1
  )");
  EXPECT_EQ(grid.title, "a grid");
  EXPECT_THAT(names(grid),
              ElementsAre("toy/frozen/seed-1", "toy/frozen/seed-2", "toy/blocks-3/seed-1", "toy/blocks-3/seed-2"));
  const Experiment& last = grid.experiments.back();
  EXPECT_EQ(last.index, 4);
  EXPECT_EQ(last.settings.at("lr"), 1.0);
  EXPECT_TRUE(last.settings.at("lr").is_number_float()) << "a whole number is a number";
  EXPECT_EQ(last.settings.at("bn"), "train") << "what is not said has its standard value";
  EXPECT_TRUE(last.published.is_null());
}

TEST(GridFile, RowsStandBesideTheCommonSettingsAndWinOverThem) {
  const GridFile grid = parse(R"(
    [train]
    model = "toy"
    epochs = 10
    seed = [1, 2]
    [[run]]
    unfreeze = "blocks:2"
    epochs = 5
    published = { experiment = 2, test_accuracy = 82.02 }
    [[run]]
    unfreeze = ["layer:7", "layer:9"]
    seed = 3
  )");
  EXPECT_THAT(names(grid), ElementsAre("toy/blocks-2/seed-1", "toy/blocks-2/seed-2", "toy/layer-7", "toy/layer-9"));
  EXPECT_EQ(grid.experiments[0].settings.at("epochs"), 5);
  EXPECT_EQ(grid.experiments[1].published.at("test_accuracy"), 82.02);
  EXPECT_EQ(grid.experiments[2].settings.at("epochs"), 10);
  EXPECT_EQ(grid.experiments[2].settings.at("seed"), 3);
}

TEST(GridFile, ExcludeLeavesOutWhatHasAllValuesAndIncludeAddsRows) {
  const GridFile grid = parse(R"(
    [train]
    model = ["a", "b"]
    unfreeze = ["none", "all"]
    [grid]
    exclude = [{ model = "b", unfreeze = ["all", "blocks:9"] }]
    include = [{ model = "b", unfreeze = "all", epochs = 1 }, { model = "c", unfreeze = "none" }]
  )");
  EXPECT_THAT(names(grid), ElementsAre("a/frozen", "a/all", "b/frozen", "b/all", "c/frozen"));
  EXPECT_EQ(grid.experiments[3].settings.at("epochs"), 1);
}

TEST(GridFile, OverridesWinOverEverything) {
  const std::string text = R"(
    [train]
    model = "toy"
    seed = [1, 2]
    [[run]]
    unfreeze = "none"
    epochs = 5
    [[run]]
    unfreeze = "all"
  )";
  const GridFile grid = parse(text, {"train.epochs=3", "train.seed=[7]", "train.bn=inference", "train.flip=true"});
  EXPECT_THAT(names(grid), ElementsAre("toy/frozen", "toy/all"));
  for (const Experiment& e : grid.experiments) {
    EXPECT_EQ(e.settings.at("epochs"), 3);
    EXPECT_EQ(e.settings.at("seed"), 7);
    EXPECT_EQ(e.settings.at("bn"), "inference");
    EXPECT_EQ(e.settings.at("flip"), true);
  }
  EXPECT_THAT(names(parse(text, {"train.seed=[1,2,3]"})), ::testing::SizeIs(6));
  EXPECT_THAT(names(parse(text, {"train.model=[\"a\", \"b\"]", "train.seed=1"})), ::testing::SizeIs(4));
}

TEST(GridFile, AnIdIsOfTheSettingsAndNotOfTheirPlaceOrOfTheMachine) {
  const std::string id = parse("[train]\nmodel='toy'\nseed=4").experiments[0].id;
  EXPECT_EQ(id.size(), 12U);
  EXPECT_EQ(parse("title='x'\n[[run]]\nseed=4\nmodel='toy'").experiments[0].id, id);
  EXPECT_EQ(parse("[train]\nmodel='toy'\nseed=4\nlr=0.0005\nthreads=2").experiments[0].id, id);
  EXPECT_NE(parse("[train]\nmodel='toy'\nseed=4\nlr=0.0006").experiments[0].id, id);
  const Experiment e = parse("[train]\nmodel='toy'\nseed=4").experiments[0];
  EXPECT_EQ(e.folder(), "toy/frozen-" + id.substr(0, 8));
}

TEST(GridFile, NamesCanBeFoldersWhateverTheSelector) {
  EXPECT_THAT(names(parse("[train]\nmodel='toy'\nunfreeze='glob:conv5_*+layer:9'")),
              ElementsAre("toy/glob-conv5_-+layer-9"));
  EXPECT_THAT(names(parse("[train]\nmodel='../x'\nunfreeze='/etc'")), ElementsAre("-.-x/-etc"));
  EXPECT_THAT(names(parse("[train]\nmodel='..'\nunfreeze='.'")), ElementsAre("-./-"));
}

TEST(GridFile, LettersBeyondAsciiAreKeptAndBrokenOnesRefused) {
  const GridFile grid =
      parse("# \u00fcber\ntitle = \"gr\u00fc\u00df \\\" ~7E~ ~ dich\" # \u00e9\n[train]\nmodel = '\u021a'\n");
  EXPECT_EQ(grid.title, "gr\u00fc\u00df \" ~7E~ ~ dich");
  EXPECT_EQ(grid.experiments[0].settings.at("model"), "\u021a");
  EXPECT_THAT(refusal("[train]\nlr = \u021a5\n"), HasSubstr("is no TOML: line 2"));
  EXPECT_THAT(refusal("[train]\n'\u00e9' = 5\n"), HasSubstr("there is no setting '\\xc3\\xa9'"));
  for (const char* broken : {"\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"}) {
    EXPECT_THAT(refusal(std::string("title = 't'\n# ") + broken), HasSubstr("line 2: the text is not UTF-8"));
  }
}

TEST(GridFile, KeepsWhatIsPublished) {
  const GridFile grid = parse(R"(
    [train]
    model = "toy"
    [published]
    title = "A study"
    train_validation_difference = { toy = 6.56 }
    time_ratio = { models = ["toy", "boy"], least = 3, most = 4 }
    recommended = { blocks = [2, 5], layers = [100, 120] }
  )");
  EXPECT_EQ(grid.published.at("title"), "A study");
  EXPECT_EQ(grid.published.at("recommended").at("layers").at(1), 120);
}

struct Refused {
  const char* name;
  const char* text;
  const char* says;
  std::vector<std::string> overrides = {};
};

class GridFileRefuses : public ::testing::TestWithParam<Refused> {};

TEST_P(GridFileRefuses, InOneSentenceWithThePlace) {
  EXPECT_THAT(refusal(GetParam().text, GetParam().overrides), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, GridFileRefuses,
    ::testing::Values(
        Refused{"NoToml", "[train\nlr=1", "'grid.toml' is no TOML: line 1, column"},
        Refused{"HeaderWithoutAName", "[=", "is no TOML"},
        Refused{"UnknownTable", "[trian]\nlr=1", "line 1: the file has no 'trian'; did you mean 'train'?"},
        Refused{"UnknownSetting", "[train]\nepoch=1",
                "line 2: there is no setting 'epoch' in [train]; did you mean 'epochs'?"},
        Refused{"UnknownInRow", "[train]\nmodel='a'\n[[run]]\nunfreze='all'",
                "no setting 'unfreze' in [[run]]; did you mean 'unfreeze'?"},
        Refused{"UnknownInGrid", "[train]\nmodel='a'\n[grid]\nexlude=[]",
                "[grid] has no 'exlude'; did you mean 'exclude'?"},
        Refused{"WrongType", "[train]\nlr='fast'", "line 2: lr in [train] wants a number, not a text"},
        Refused{"WrongWhole", "[train]\nepochs=1.5", "epochs in [train] wants a whole number, not a number"},
        Refused{"TableForSetting", "[train]\nlr={a=1}",
                "lr in [train] wants a number or an array of such, not a table"},
        Refused{"NestedArray", "[train]\nseed=[[1],[2]]",
                "seed in [train] wants a whole number or an array of such, not an array"},
        Refused{"EmptyAxis", "[train]\nseed=[]", "the array of seed in [train] is empty"},
        Refused{"TwiceInAxis", "[train]\nseed=[1,2,1]", "seed has 1 twice in [train]"},
        Refused{"RunIsTable", "[run]\nseed=1", "[[run]] wants an array of tables"},
        Refused{"ExcludesNothing", "[train]\nmodel='a'\n[grid]\nexclude=[{model='b'}]", "leaves out no experiment"},
        Refused{"Empty", "[train]\nmodel='a'\n[grid]\nexclude=[{model='a'}]", "describes no experiment"},
        Refused{"Same", "[[run]]\nseed=1\n[[run]]\nseed=1", "experiments 1 and 2 (model/frozen) are the same"},
        Refused{
            "TooMany",
            "[train]\nseed=[0,1,2,3,4,5,6,7,8,9]\nepochs=[1,2,3,4,5,6,7,8,9,10]\nlr=[1,2,3,4,5,6,7,8,9,10]\nmodel=['a',"
            "'b','c','d','e','f','g','h','i','j']\nunfreeze=['a','b','c','d','e','f','g','h','i','j']\nbn=['a','b']",
            "more than 10000 experiments"},
        Refused{"PublishedText", "[[run]]\npublished={test_accuracy='high'}",
                "published.test_accuracy wants a number, not a text"},
        Refused{"PublishedKey", "[[run]]\npublished={test=1}", "published has no 'test'"},
        Refused{"Date", "[train]\nmodel=1979-05-27", "a date or time is no setting"},
        Refused{"SetWithoutTable", "[train]\nmodel='a'", "--set wants train.KEY=VALUE", {"lr=1"}},
        Refused{"SetWithoutValue", "[train]\nmodel='a'", "--set wants train.KEY=VALUE", {"train.lr"}},
        Refused{"SetUnknown", "[train]\nmodel='a'", "there is no setting 'lrr' in --set", {"train.lrr=1"}},
        Refused{"SetWrong", "[train]\nmodel='a'", "lr in --set wants a number, not a text", {"train.lr=fast"}}),
    [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace thaw::grid
