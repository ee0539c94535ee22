#include "sql/functions.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "sql/word_list.h"

namespace trunkline::sql {

namespace {

constexpr Suspicions kUnknown = Suspicion::opaque | Suspicion::may_write;

// Their effect is known, and it is one.
constexpr std::pair<std::string_view, Suspicions> kEffects[] = {
    {"currval", Suspicion::reads_sequence},
    {"json_populate_record", Suspicion::unknown_types},
    {"json_populate_recordset", Suspicion::unknown_types},
    {"json_to_record", Suspicion::unknown_types},
    {"json_to_recordset", Suspicion::unknown_types},
    {"jsonb_populate_record", Suspicion::unknown_types},
    {"jsonb_populate_recordset", Suspicion::unknown_types},
    {"jsonb_to_record", Suspicion::unknown_types},
    {"jsonb_to_recordset", Suspicion::unknown_types},
    {"lastval", Suspicion::reads_sequence},
    {"nextval", Suspicion::moves_sequence | Suspicion::may_write},
    {"pg_advisory_lock", Suspicion::session_lock},
    {"pg_advisory_lock_shared", Suspicion::session_lock},
    {"pg_advisory_unlock", Suspicion::session_unlock},
    {"pg_advisory_unlock_all", Suspicion::session_unlock},
    {"pg_advisory_unlock_shared", Suspicion::session_unlock},
    {"pg_backup_start", Suspicion::binds_process},
    {"pg_listening_channels", Suspicion::reads_channels},
    {"pg_notify", Suspicion::notifies | Suspicion::may_write},
    {"pg_prepared_statement", Suspicion::reads_prepared},
    {"pg_replication_origin_session_setup", Suspicion::binds_process},
    {"pg_start_backup", Suspicion::binds_process},
    {"pg_try_advisory_lock", Suspicion::session_lock},
    {"pg_try_advisory_lock_shared", Suspicion::session_lock},
    {"set_config", Suspicion::set_config},
    {"setseed", Suspicion::setseed},
    {"setval", Suspicion::moves_sequence | Suspicion::may_write},
};

// The functions of pg_catalog in PostgreSQL 15 to 18 that people call by name (not what operators,
// aggregates, types and index methods are made of): all immutable and stable ones but those that
// run a query given as text or read tables by name, and of the volatile ones those that only look.
constexpr std::string_view kHarmlessText =
    "abbrev abs aclcontains acldefault aclexplode acos acosd acosh age any_value area array_agg "
    "array_append array_dims array_fill array_length array_lower array_ndims array_position "
    "array_positions array_prepend array_remove array_replace array_reverse array_sample "
    "array_shuffle array_sort array_to_json array_to_string array_to_tsvector array_upper ascii "
    "asin asind asinh atan atan2 atan2d atand atanh avg bit bit_and bit_count bit_length bit_or "
    "bit_xor bool bool_and bool_or bound_box box bpchar btrim bytea cardinality casefold "
    "cash_words cbrt ceil ceiling center char char_length character_length chr cidr circle "
    "clock_timestamp col_description concat concat_ws convert convert_from convert_to corr cos "
    "cosd cosh cot cotd count covar_pop covar_samp crc32 crc32c cume_dist current_database "
    "current_query current_schema current_schemas current_setting current_user date date_add "
    "date_bin date_cmp_timestamp date_cmp_timestamptz date_part date_subtract date_trunc "
    "datemultirange daterange decode degrees dense_rank diagonal diameter div encode enum_first "
    "enum_last enum_range erf erfc every exp extract factorial family first_value float4 float8 "
    "floor format format_type gamma gcd gen_random_uuid generate_series generate_subscripts "
    "get_bit get_byte get_current_ts_config getdatabaseencoding has_any_column_privilege "
    "has_column_privilege has_database_privilege has_foreign_data_wrapper_privilege "
    "has_function_privilege has_language_privilege has_largeobject_privilege "
    "has_parameter_privilege has_schema_privilege has_sequence_privilege has_server_privilege "
    "has_table_privilege has_tablespace_privilege has_type_privilege height host hostmask "
    "icu_unicode_version inet_client_addr inet_client_port inet_merge inet_same_family "
    "inet_server_addr inet_server_port initcap int2 int4 int4multirange int4range int8 "
    "int8multirange int8range interval interval_avg is_normalized isclosed isempty isfinite "
    "ishorizontal isopen isparallel isperp isvertical json_agg json_agg_strict "
    "json_array_elements json_array_elements_text json_array_length json_build_array "
    "json_build_object json_each json_each_text json_extract_path json_extract_path_text "
    "json_object json_object_agg json_object_agg_strict json_object_agg_unique "
    "json_object_agg_unique_strict json_object_keys json_strip_nulls json_to_tsvector "
    "json_typeof jsonb_agg jsonb_agg_strict jsonb_array_elements jsonb_array_elements_text "
    "jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text "
    "jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object jsonb_object_agg "
    "jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict "
    "jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz jsonb_path_match "
    "jsonb_path_match_tz jsonb_path_query jsonb_path_query_array jsonb_path_query_array_tz "
    "jsonb_path_query_first jsonb_path_query_first_tz jsonb_path_query_tz jsonb_pretty "
    "jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_tsvector jsonb_typeof justify_days "
    "justify_hours justify_interval lag last_value lcm lead left length lgamma like line ln log "
    "log10 lower lower_inc lower_inf lpad lseg ltrim macaddr macaddr8 macaddr8_set7bit "
    "make_date make_interval make_time make_timestamp make_timestamptz makeaclitem masklen max "
    "md5 min min_scale mod mode money multirange mxid_age name netmask network normalize "
    "notlike now npoints nth_value ntile num_nonnulls num_nulls numeric numeric_div_trunc "
    "numeric_exp numeric_ln numeric_log numeric_sqrt nummultirange numnode numrange "
    "obj_description octet_length oid oidvectortypes overlaps overlay parse_ident path pclose "
    "percent_rank percentile_cont percentile_disc pg_advisory_xact_lock "
    "pg_advisory_xact_lock_shared pg_available_extension_versions pg_available_extensions "
    "pg_backend_pid pg_basetype pg_blocking_pids pg_char_to_encoding pg_client_encoding "
    "pg_collation_actual_version pg_collation_for pg_collation_is_visible pg_column_compression "
    "pg_column_is_updatable pg_column_size pg_column_toast_chunk_id pg_conf_load_time pg_config "
    "pg_conversion_is_visible pg_current_snapshot pg_current_wal_flush_lsn "
    "pg_current_wal_insert_lsn pg_current_wal_lsn pg_current_xact_id "
    "pg_current_xact_id_if_assigned pg_database_size pg_describe_object pg_encoding_max_length "
    "pg_encoding_to_char pg_filenode_relation pg_function_is_visible pg_get_acl "
    "pg_get_catalog_foreign_keys pg_get_constraintdef pg_get_expr pg_get_function_arg_default "
    "pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result "
    "pg_get_function_sqlbody pg_get_functiondef pg_get_indexdef pg_get_keywords "
    "pg_get_object_address pg_get_partition_constraintdef pg_get_partkeydef "
    "pg_get_replica_identity_index pg_get_replication_slots pg_get_ruledef "
    "pg_get_serial_sequence pg_get_statisticsobjdef pg_get_statisticsobjdef_columns "
    "pg_get_statisticsobjdef_expressions pg_get_triggerdef pg_get_userbyid pg_get_viewdef "
    "pg_get_wait_events pg_has_role pg_hba_file_rules pg_identify_object "
    "pg_identify_object_as_address pg_index_column_has_property pg_index_has_property "
    "pg_indexam_has_property pg_indexam_progress_phasename pg_indexes_size pg_input_error_info "
    "pg_input_is_valid pg_is_in_recovery pg_is_other_temp_schema pg_is_wal_replay_paused "
    "pg_jit_available pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn "
    "pg_last_xact_replay_timestamp pg_lock_status pg_lsn "
    "pg_mcv_list_items pg_my_temp_schema pg_notification_queue_usage pg_numa_available "
    "pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible pg_partition_ancestors "
    "pg_partition_root pg_partition_tree pg_postmaster_start_time pg_prepared_xact "
    "pg_relation_filenode pg_relation_filepath pg_relation_is_publishable "
    "pg_relation_is_updatable pg_relation_size pg_replication_origin_oid "
    "pg_safe_snapshot_blocking_pids pg_sequence_last_value pg_sequence_parameters "
    "pg_settings_get_flags pg_size_bytes pg_size_pretty pg_sleep pg_sleep_for pg_sleep_until "
    "pg_snapshot_xip pg_snapshot_xmax pg_snapshot_xmin pg_split_walfile_name "
    "pg_statistics_obj_is_visible pg_table_is_visible pg_table_size pg_tablespace_databases "
    "pg_tablespace_location pg_tablespace_size pg_timezone_abbrevs pg_timezone_abbrevs_abbrevs "
    "pg_timezone_abbrevs_zone pg_timezone_names pg_total_relation_size pg_trigger_depth "
    "pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_ts_config_is_visible "
    "pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible "
    "pg_typeof pg_visible_in_snapshot pg_wal_lsn_diff pg_walfile_name pg_walfile_name_offset "
    "pg_xact_commit_timestamp pg_xact_commit_timestamp_origin pg_xact_status phraseto_tsquery "
    "pi plainto_tsquery point polygon popen position pow power querytree quote_ident "
    "quote_literal quote_nullable radians radius random random_normal range_agg range_merge "
    "rank regclass regexp_count regexp_instr regexp_like regexp_match regexp_matches "
    "regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr regr_avgx "
    "regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat "
    "replace reverse right round row_number row_security_active row_to_json rpad rtrim "
    "satisfies_hash_partition scale session_user set_bit set_byte set_masklen setweight sha224 "
    "sha256 sha384 sha512 shobj_description sign sin sind sinh slope split_part sqrt "
    "statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array "
    "string_to_table strip strpos substr substring sum system_user tan tand tanh text time "
    "timeofday timestamp timestamp_cmp_date timestamp_cmp_timestamptz timestamptz "
    "timestamptz_cmp_date timestamptz_cmp_timestamp timetz timezone to_ascii to_bin to_char "
    "to_date to_hex to_json to_jsonb to_number to_oct to_regclass to_regcollation "
    "to_regnamespace to_regoper to_regoperator to_regproc to_regprocedure to_regrole to_regtype "
    "to_regtypemod to_timestamp to_tsquery to_tsvector transaction_timestamp translate "
    "trim_array trim_scale trunc ts_debug ts_delete ts_filter ts_headline ts_lexize ts_parse "
    "ts_rank ts_rank_cd ts_token_type tsmultirange tsquery_phrase tsrange tstzmultirange "
    "tstzrange tsvector_to_array txid_current txid_current_if_assigned txid_current_snapshot "
    "txid_snapshot_xip txid_snapshot_xmax txid_snapshot_xmin txid_status "
    "txid_visible_in_snapshot unicode_assigned unicode_version unistr unnest upper upper_inc "
    "upper_inf uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7 var_pop var_samp "
    "varbit varchar variance version websearch_to_tsquery width width_bucket xid xml "
    "xml_is_well_formed xml_is_well_formed_content xml_is_well_formed_document xmlagg "
    "xmlcomment xmlconcat2 xmlexists xmltext xpath xpath_exists";
constexpr auto kHarmless = split_words<count_words(kHarmlessText)>(kHarmlessText);

// PostgreSQL 15 to 18, and "double", the first word of a name.
constexpr std::string_view kTypesText =
    "aclitem any anyarray anycompatible anycompatiblearray anycompatiblemultirange "
    "anycompatiblenonarray anycompatiblerange anyelement anyenum anymultirange anynonarray "
    "anyrange bit bool box bpchar bytea char cid cidr circle cstring date datemultirange "
    "daterange double event_trigger fdw_handler float4 float8 gtsvector index_am_handler inet "
    "int2 int2vector int4 int4multirange int4range int8 int8multirange int8range internal "
    "interval json jsonb jsonpath language_handler line lseg macaddr macaddr8 money name "
    "numeric nummultirange numrange oid oidvector path pg_lsn pg_snapshot point polygon record "
    "refcursor regclass regcollation regconfig regdictionary regnamespace regoper regoperator "
    "regproc regprocedure regrole regtype table_am_handler text tid time timestamp timestamptz "
    "timetz trigger tsm_handler tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector "
    "txid_snapshot unknown uuid varbit varchar void xid xid8 xml";
constexpr auto kTypes = split_words<count_words(kTypesText)>(kTypesText);

static_assert(std::ranges::is_sorted(kHarmless));
static_assert(std::ranges::is_sorted(kTypes));
static_assert(std::ranges::is_sorted(kEffects, {}, [](const auto& pair) { return pair.first; }));

}  // namespace

bool is_known_harmless(std::string_view name) {
  // More than a hundred, all of them counters.
  return name.starts_with("pg_stat_get_") || std::ranges::binary_search(kHarmless, name);
}

Suspicions suspicions_of_call(std::string_view name) {
  const auto* found =
      std::ranges::lower_bound(kEffects, name, {}, [](const auto& pair) { return pair.first; });
  if (found != std::end(kEffects) && found->first == name) return found->second;
  if (is_known_harmless(name)) return {};
  if (name.starts_with("dblink")) return kUnknown | Suspicion::dblink;
  return kUnknown;
}

bool is_builtin_type(std::string_view name) {
  return std::ranges::binary_search(kTypes, name);
}

}  // namespace trunkline::sql
