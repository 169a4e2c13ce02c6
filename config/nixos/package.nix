# Doorbell for Nix: nix-build -E '(import <nixpkgs> { }).callPackage ./package.nix { }'
# Not run; its syntax was checked with nix-instantiate --parse.
{
  lib,
  stdenv,
  pkg-config,
  c-ares,
  curl,
  jansson,
  libmicrohttpd,
  libseccomp,
  libsodium,
  libuv,
  libyaml,
  nghttp2,
  openssl,
  qrencode,
  sqlite,
}:

stdenv.mkDerivation {
  pname = "doorbell";
  version = "0.1.0";
  src = ../..;

  nativeBuildInputs = [ pkg-config ];
  buildInputs = [
    c-ares
    curl
    jansson
    libmicrohttpd
    libseccomp
    libsodium
    libuv
    libyaml
    nghttp2
    openssl
    qrencode
    sqlite
  ];

  postPatch = "patchShebangs packaging";
  buildFlags = [
    "build"
    "man"
  ];
  # A warning of another compiler stops nothing.
  makeFlags = [
    "WARNINGS="
    "PREFIX=$(out)"
    "SYSCONFDIR=$(out)/etc"
    "DEFAULTS=$(out)/share/doorbell/defaults.yaml"
  ];

  meta = {
    description = "Push bridge for messengers, in the place of MollySocket";
    license = lib.licenses.agpl3Plus;
    mainProgram = "doorbell";
    platforms = lib.platforms.linux;
  };
}
