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
  libwebsockets,
  libyaml,
  nghttp2,
  openssl,
  qrencode,
  sqlite,
}:

let
  # It runs on libuv, which nixpkgs leaves out.
  libwebsocketsUv = libwebsockets.overrideAttrs (old: {
    cmakeFlags = (old.cmakeFlags or [ ]) ++ [ "-DLWS_WITH_LIBUV=ON" ];
    buildInputs = (old.buildInputs or [ ]) ++ [ libuv ];
  });
in
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
    libwebsocketsUv
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
