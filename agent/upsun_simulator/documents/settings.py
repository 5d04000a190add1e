"""The project's settings: mostly what a fresh project has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from upsun_simulator.scenario import Scenario
    from upsun_simulator.state import PlatformState

SWITCHED_ON = (
    "enable_certificate_provisioning",
    "enable_state_api_deployments",
    "flexible_build_cache",
    "strict_configuration",
    "has_sleepy_crons",
    "systemd",
    "router_gen2",
    "enable_incremental_backups",
    "sizing_api_enabled",
    "centralized_permissions",
    "enable_paused_environments",
    "enable_unified_configuration",
    "image_deployment_validation",
    "crons_in_git",
)
SWITCHED_OFF = (
    "use_drupal_defaults",
    "use_legacy_subdomains",
    "certificate_renewal_activity",
    "self_upgrade",
    "self_upgrade_latest_major",
    "enable_cache_grace_period",
    "enable_zero_downtime_deployments",
    "enable_admin_agent",
    "persistent_endpoints_ssh",
    "persistent_endpoints_ssl_certificates",
    "enable_disk_health_monitoring",
    "enable_explicit_empty_routes",
    "enable_routes_tracing",
    "support_generic_images",
    "enable_github_app_token_exchange",
    "disable_agent_error_reporter",
    "requires_domain_ownership",
    "enable_guaranteed_resources",
    "allow_burst",
    "allow_scaling_to_zero",
    "save_applications_vendors",
    "locations_script_default",
    "support_oci_images",
)


def settings(state: PlatformState) -> dict[str, Any]:
    """Return the settings as the API gives them."""
    scenario = state.scenario
    return {
        **dict.fromkeys(SWITCHED_ON, True),
        **dict.fromkeys(SWITCHED_OFF, False),
        **_names(scenario),
        **_limits(scenario),
        "enable_unified_configuration": not scenario.is_fixed,
        # On Fixed the plan says it, and the settings do not.
        "data_retention": None if scenario.is_fixed else _data_retention(scenario.backup_limit),
        "enable_codesource_integration_push": scenario.source_integration,
        "enforce_mfa": scenario.mfa_required,
        "allow_rolling_deployments": scenario.rolling_deployments and scenario.has_larger_plan,
        "allow_manual_deployments": scenario.manual_deployment,
        "allow_activity_reschedule": scenario.reschedule_seconds > 0,
        "development_service_size": "S",
        "development_application_size": "S",
        "certificate_style": "ecdsa",
        "environment_name_strategy": "name-and-hash",
        "outbound_restrictions_default_policy": "allow",
        "custom_error_template": None,
        "app_error_page_template": None,
        "development_domain_template": None,
        "maintenance_window": None,
        "initialize": {},
        "additional_hosts": {},
        "continuous_profiling": {"supported_runtimes": []},
    }


def _names(scenario: Scenario) -> dict[str, Any]:
    fixed = scenario.is_fixed
    return {
        "product_name": "Platform.sh" if fixed else "Upsun",
        "product_code": "platformsh" if fixed else "upsun",
        "ui_uri_template": "https://console.simulator.invalid/projects/{project_id}",
        "variables_prefix": "PLATFORM_",
        "bot_email": "bot@simulator.invalid",
        "application_config_file": ".platform.app.yaml" if fixed else ".upsun/config.yaml",
        "project_config_dir": ".platform" if fixed else ".upsun",
        "certifier_url": "https://ssh.simulator.invalid",
    }


def _limits(scenario: Scenario) -> dict[str, Any]:
    return {
        "temporary_disk_size": None,
        "local_disk_size": None,
        "cron_minimum_interval": 1 if scenario.is_fixed and scenario.has_larger_plan else 5,
        "cron_maximum_jitter": 20,
        # In days: how long activities and logs of crons are kept.
        "cron_production_expiry_interval": 14,
        "cron_non_production_expiry_interval": 14,
        "concurrency_limits": {"internal": None, "integration": 4, "backup": 2, "cron": 10, "default": 2},
        "build_resources": {"cpu": 2.0, "memory": 3072},
        "max_allowed_routes": 50,
        "max_allowed_redirects_paths": 50_000,
        "glue_server_max_request_size": 10,
        "git_server": {"push_size_hard_limit": 4_294_967_296},
        "activity_logs_max_size": 16_777_216,
        "router_resources": {"baseline_cpu": 0.1, "baseline_memory": 128, "max_cpu": 2.0, "max_memory": 512},
    }


def _data_retention(limit: int) -> dict[str, Any]:
    """Return how many manual backups each type of environment keeps."""
    return {
        kind: {
            "max_backups": limit,
            "default_config": {"manual_count": limit, "schedule": [{"interval": "1d", "count": 2}]},
        }
        for kind in ("production", "staging", "development")
    }
