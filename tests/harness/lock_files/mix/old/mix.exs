defmodule Site.MixProject do
  use Mix.Project

  defp deps do
    [
      {:phoenix, "~> 1.7"},
      {:forked, git: "https://git.example/acme/forked.git", branch: "main"}
    ]
  end
end
