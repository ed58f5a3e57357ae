// SPDX-License-Identifier: Apache-2.0

#include "agent/image_config.h"

#include <gtest/gtest.h>

namespace dormouse::agent {
namespace {

protocol::Refusal refusal_of(std::string_view json) {
  const auto image = ImageConfig::parse(json);
  return image ? protocol::Refusal{} : image.error();
}

TEST(ImageConfig, IsReadFromWhatTheBuildLeft) {
  const auto image = ImageConfig::parse(
      R"({"layers":["/a/top","/a/base"],"config":{"Entrypoint":["python3"],"Cmd":["-m","app"],"Env":["A=1"],)"
      R"("WorkingDir":"srv","User":"app","ExposedPorts":{"80/tcp":{}},"Labels":null}})");
  ASSERT_TRUE(image);
  EXPECT_EQ(image->layers, (std::vector<std::string>{"/a/top", "/a/base"}));
  EXPECT_EQ(image->arguments(), (std::vector<std::string>{"python3", "-m", "app"}));
  EXPECT_EQ(image->environment, std::vector<std::string>{"A=1"});
  EXPECT_EQ(image->working_directory, "/srv");
  EXPECT_EQ(image->user, "app");
}

TEST(ImageConfig, HasDefaultsForWhatIsNull) {
  const auto image =
      ImageConfig::parse(R"({"layers":["/l"],"config":{"Cmd":["a"],"Entrypoint":null,"WorkingDir":null}})");
  ASSERT_TRUE(image);
  EXPECT_EQ(image->working_directory, "/");
  EXPECT_EQ(image->user, "");
}

TEST(ImageConfig, NeedsACommand) {
  const auto refusal = refusal_of(R"({"layers":["/l"],"config":{}})");
  EXPECT_EQ(refusal.code, "no_command");
  EXPECT_EQ(refusal.message, "the image has neither ENTRYPOINT nor CMD; add one of them to the Dockerfile");
}

TEST(ImageConfig, IsRefusedWhenMalformed) {
  for (const char* const json : {"",
                                 "[]",
                                 R"({"layers":["/l"]})",
                                 R"({"layers":[],"config":{"Cmd":["a"]}})",
                                 R"({"layers":["relative"],"config":{"Cmd":["a"]}})",
                                 R"({"layers":["/a/../b"],"config":{"Cmd":["a"]}})",
                                 R"({"layers":["/l"],"config":{"Cmd":"a"}})",
                                 R"({"layers":["/l"],"config":{"Cmd":["a\u0000b"]}})",
                                 R"({"layers":["/l"],"config":{"Cmd":["a"],"Env":[1]}})",
                                 R"({"layers":["/l"],"config":{"Cmd":["a"],"User":1}})"}) {
    EXPECT_EQ(refusal_of(json).code, "no_image") << json;
  }
}

}  // namespace
}  // namespace dormouse::agent
