# Doorbell for NixOS, with the package's own systemd unit (config/systemd/doorbell.service):
#
#   imports = [ ./doorbell/config/nixos/module.nix ];
#   services.doorbell = {
#     enable = true;
#     settings.web.public_url = "https://push.example.org/";
#   };
#
# Secrets do not belong into `settings`, which everybody on the machine may read: /etc/doorbell/environment,
# mode 600, has lines such as DOORBELL_ALERT_TOKEN=...
#
# Not run; its syntax was checked with nix-instantiate --parse.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.doorbell;
  format = pkgs.formats.yaml { };
  file = format.generate "doorbell.yaml" cfg.settings;
in
{
  options.services.doorbell = {
    enable = lib.mkEnableOption "Doorbell, a push bridge for messengers";
    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ./package.nix { };
      description = "The package to use.";
    };
    settings = lib.mkOption {
      type = format.type;
      default = { };
      description = "What doorbell.yaml(5) names.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.doorbell.settings.store.path = lib.mkDefault "/var/lib/doorbell/doorbell.db";
    environment.systemPackages = [ cfg.package ];
    environment.etc."doorbell/doorbell.yaml".source = file;
    systemd.packages = [ cfg.package ];
    systemd.services.doorbell = {
      wantedBy = [ "multi-user.target" ];
      reloadTriggers = [ file ];
      serviceConfig.ExecReload = [
        ""
        "${pkgs.coreutils}/bin/kill -HUP $MAINPID"
      ];
    };
  };
}
