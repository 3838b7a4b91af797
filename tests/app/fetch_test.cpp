#include <gmock/gmock.h>

#include <csignal>

#include "kernels/digest.h"
#include "tests/app/support.h"
#include "tests/fetch/server.h"

namespace thaw::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string digest_of(const std::string& text) {
  return sha256({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

/// A cache of its own, as `THAW_CACHE` names it.
class FetchTest : public ::testing::Test {
 protected:
  FetchTest() {
    if (const char* old = std::getenv("THAW_CACHE")) old_ = old;
    ::setenv("THAW_CACHE", cache_.path().c_str(), 1);
  }
  ~FetchTest() override { old_.empty() ? ::unsetenv("THAW_CACHE") : ::setenv("THAW_CACHE", old_.c_str(), 1); }

  TempFolder cache_;
  std::string old_;
};

TEST_F(FetchTest, PutsAFileIntoTheCacheAndSaysSo) {
  const std::string body(5000, 'b');
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, body); });
  const std::vector<std::string> words = {"fetch", "file", server.url("some.bin?key=1"), "--sha256", digest_of(body)};
  const Outcome first = call(words);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_THAT(first.out, AllOf(HasSubstr(cache_.at("some.bin")), HasSubstr("sha256 as published (4.9 KiB")));
  EXPECT_EQ(read_file(cache_.at("some.bin")), body);
  EXPECT_THAT(call(words).out, HasSubstr("is there already"));
  EXPECT_EQ(server.requests().size(), 1U);
}

TEST_F(FetchTest, ReportsAsJson) {
  const std::string body(5000, 'b');
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, body); });
  write_file_atomically(cache_.at("some.bin.part"), body.substr(0, 1000));
  const Outcome outcome =
      call({"fetch", "file", server.url("some.bin"), "--sha256", digest_of(body), "--json", "--out", cache_.at("")});
  const nlohmann::json row = nlohmann::json::parse(outcome.out).at("files").at(0);
  EXPECT_EQ(row.at("state"), "downloaded");
  EXPECT_EQ(row.at("resumed_from"), 1000);
  EXPECT_EQ(row.at("received_bytes"), 4000);
  EXPECT_EQ(row.at("sha256"), digest_of(body));
}

TEST_F(FetchTest, AsksAMirrorForTheOfficialNamesAndDistrustsWhatItSends) {
  const std::string body(4'334'752, 'b');
  const HttpServer server([&](const Request& request, std::size_t) { return file_answer(request, body); });
  const Outcome outcome = call({"fetch", "weights", "mobilenet_v3_small", "--base-url", server.url("keras/")});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_THAT(outcome.err, HasSubstr("instead of d3e8ec802a04aa4fc771ee12a9a9b836"));
  EXPECT_EQ(server.requests().at(0).path, "/keras/weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5");
  EXPECT_TRUE(fs::is_empty(cache_.path()));
}

TEST_F(FetchTest, AsksForTheFlowersUnderTheNameThatTheRestOfThawLooksFor) {
  const HttpServer server([&](const Request&, std::size_t) { return Answer{.status = 404}; });
  const Outcome outcome = call({"fetch", "flowers", "--base-url", server.url("mirror")});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("no such file on the server (HTTP 404)"));
  EXPECT_EQ(server.requests().at(0).path, "/mirror/flower_photos.tgz");
}

TEST_F(FetchTest, AnswersImpossibleRequestsWithAUsageError) {
  EXPECT_THAT(call({"fetch", "weights", "mobilenet_v3_smal"}).err, HasSubstr("did you mean 'mobilenet_v3_small'"));
  const std::string digest(64, '0');
  const std::vector<std::vector<std::string>> impossible = {{"fetch"},
                                                            {"fetch", "weights"},
                                                            {"fetch", "weights", "vgg16"},
                                                            {"fetch", "flowers", "--tries", "0"},
                                                            {"fetch", "flowers", "--base-url", "ftp://127.0.0.1"},
                                                            {"fetch", "file", "http://127.0.0.1/x"},
                                                            {"fetch", "file", "http://127.0.0.1/x", "--sha256", "12"},
                                                            {"fetch", "file", "http://127.0.0.1/", "--sha256", digest},
                                                            {"fetch", "file", "x", "--sha256", digest}};
  for (const auto& words : impossible) {
    const Outcome outcome = call(words);
    EXPECT_EQ(outcome.code, 2) << words.back() << ": " << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
}

TEST_F(FetchTest, KeepsThePartOnCtrlCAndGoesOnFromIt) {
  const std::string body(5000, 'b');
  const HttpServer server([&](const Request& request, std::size_t number) {
    Answer answer = file_answer(request, body);
    if (number == 0) answer.cut_after = 1000, answer.hang = true;
    return answer;
  });
  const std::vector<std::string> words = {"fetch", "file", server.url("some.bin"), "--sha256", digest_of(body)};
  std::thread ctrl_c([&] {
    while (!fs::exists(cache_.at("some.bin.part")) || fs::file_size(cache_.at("some.bin.part")) < 1000) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ::kill(::getpid(), SIGINT);
  });
  const Outcome stopped = call(words);
  ctrl_c.join();
  EXPECT_EQ(stopped.code, 130);
  EXPECT_THAT(stopped.err, AllOf(HasSubstr("1000 B of some.bin are kept"), HasSubstr("goes on from there")));
  EXPECT_FALSE(fs::exists(cache_.at("some.bin")));
  EXPECT_EQ(call(words).code, 0);
  EXPECT_EQ(server.requests().at(1).from, 1000U);
}

}  // namespace
}  // namespace thaw::testing
