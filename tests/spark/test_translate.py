"""Each construct of DuckDB as Spark is given it; and that no model has one that is not known."""

import pytest

from flows.spark.building import Untranslatable
from flows.spark.translate import translate
from tests.worlds.small import World

COLUMNS = {"main.a": ["k", "t", "x"], "main.b": ["k", "t", "y"]}
CLASSES = [(5,), (7,)]
TRANSLATED = {
    ("select a.x, b.y from main.a as a asof left join main.b as b on a.k = b.k and a.t >= b.t"): (
        "SELECT a.x, b.y FROM main.a AS a LEFT JOIN ( SELECT *, LEAD(t) OVER (PARTITION BY k "
        "ORDER BY t ASC NULLS LAST) AS next_asof FROM main.b WHERE NOT t IS NULL ) AS b ON a.k = "
        "b.k AND a.t >= b.t AND ( b.next_asof IS NULL OR a.t < b.next_asof )"
    ),
    ("select a.x from main.a as a asof join main.b as b on b.k = a.k and a.t < b.t"): (
        "SELECT a.x FROM main.a AS a JOIN ( SELECT *, LEAD(t) OVER (PARTITION BY k ORDER BY t "
        "DESC) AS next_asof FROM main.b WHERE NOT t IS NULL ) AS b ON b.k = a.k AND a.t < b.t AND "
        "( b.next_asof IS NULL OR a.t >= b.next_asof )"
    ),
    ("select * from main.a union all by name select * from main.b"): (
        "SELECT k, t, x, NULL AS y FROM ( SELECT * FROM main.a ) AS side UNION ALL SELECT k, t, "
        "NULL AS x, y FROM ( SELECT * FROM main.b ) AS side"
    ),
    ("select * replace (x + 1 as x) from main.a"): ("SELECT k, t, x + 1 AS x FROM main.a"),
    ("select a.* rename (x as z) from main.a as a"): ("SELECT a.k, a.t, a.x AS z FROM main.a AS a"),
    ("select a.* exclude (x) from main.a as a"): ("SELECT a.* EXCEPT (x) FROM main.a AS a"),
    ("select k, unnest(range(1, x)) as n from main.a"): (
        "SELECT k, unnested.unnested_1 AS n FROM main.a LATERAL VIEW INLINE( ARRAYS_ZIP( IF( "
        "CAST(x AS BIGINT) - 1 < CAST(1 AS BIGINT), CAST(ARRAY() AS ARRAY<BIGINT>), "
        "SEQUENCE(CAST(1 AS BIGINT), CAST(x AS BIGINT) - 1) ) ) ) unnested AS unnested_1"
    ),
    ("select k, unnest([1, 2]) as one, unnest([3, 4]) as other from main.a"): (
        "SELECT k, unnested.unnested_1 AS one, unnested.unnested_2 AS other FROM main.a LATERAL "
        "VIEW INLINE(ARRAYS_ZIP(ARRAY(1, 2), ARRAY(3, 4))) unnested AS unnested_1, unnested_2"
    ),
    ("select x + 1 as z from main.a where z > 2"): ("SELECT x + 1 AS z FROM main.a WHERE ( x + 1 ) > 2"),
    (
        "select sum(x) over (w rows between 2 preceding and current row) as s from main.a window "
        "w as (partition by k order by t)"
    ): (
        "SELECT SUM(x) OVER (PARTITION BY k ORDER BY t NULLS LAST rows BETWEEN 2 preceding AND "
        "CURRENT ROW) AS s FROM main.a"
    ),
    ("select sum(x) over (order by t rows between bars - 1 preceding and current row) as s from main.a"): (
        "SELECT CASE WHEN bars = 5 THEN SUM(x) OVER (ORDER BY t NULLS LAST rows BETWEEN 5 - 1 "
        "preceding AND CURRENT ROW) WHEN bars = 7 THEN SUM(x) OVER (ORDER BY t NULLS LAST rows "
        "BETWEEN 7 - 1 preceding AND CURRENT ROW) END AS s FROM main.a"
    ),
    (
        "select list(x) over (order by t range between unbounded preceding and current row "
        "exclude group) as s from main.a"
    ): (
        "SELECT TRANSFORM( COLLECT_LIST(NAMED_STRUCT('value', x)) OVER ( ORDER BY CAST(t AS "
        "TIMESTAMP) NULLS LAST range BETWEEN UNBOUNDED preceding AND INTERVAL '1' MICROSECOND "
        "PRECEDING ), r -> r.value ) AS s FROM main.a"
    ),
    ("select x / y as z from main.a"): (
        "SELECT ( CAST(x AS DOUBLE) * IF(( y ) = 0, CAST('Infinity' AS DOUBLE), CAST(1 AS "
        "DOUBLE)) / IF(( y ) = 0, CAST(1 AS DOUBLE), CAST(y AS DOUBLE)) ) AS z FROM main.a"
    ),
    ("select x / 2 as z from main.a"): ("SELECT ( CAST(x AS DOUBLE) / 2 ) AS z FROM main.a"),
    ("select x / nullif(y, 0) as z from main.a"): (
        "SELECT ( CAST(x AS DOUBLE) / NULLIF(y, 0) ) AS z FROM main.a"
    ),
    ("select sum(round(x * 1e12)::bigint) as s from main.a"): (
        "SELECT SUM(CAST(CAST(ROUND(x * 1e12) AS BIGINT) AS DECIMAL(38, 0))) AS s FROM main.a"
    ),
    ("select sum(x::hugeint * x) as s from main.a"): (
        "SELECT SUM(CAST(x AS DECIMAL(38, 0)) * x) AS s FROM main.a"
    ),
    ("select median(x) as m from main.a"): ("SELECT PERCENTILE(x, CAST(0.5 AS DOUBLE)) AS m FROM main.a"),
    ("select isfinite(x) as m from main.a"): (
        "SELECT ( ABS(x) < CAST('Infinity' AS DOUBLE) ) AS m FROM main.a"
    ),
    ("select divide(x, 3) as m from main.a"): ("SELECT ( ( x ) DIV ( 3 ) ) AS m FROM main.a"),
    ("select gcd(x, 4) as m from main.a"): (
        "SELECT ARRAY_MAX( FILTER( SEQUENCE(CAST(1 AS BIGINT), LEAST(CAST(x AS BIGINT), CAST(4 AS "
        "BIGINT))), n -> ( x ) % n = 0 AND ( 4 ) % n = 0 ) ) AS m FROM main.a"
    ),
    ("select product(x) as m from main.a"): (
        "SELECT IF( SIZE(COLLECT_LIST(x)) > 0, AGGREGATE(COLLECT_LIST(x), CAST(1 AS DOUBLE), (s, "
        "v) -> s * v), NULL ) AS m FROM main.a"
    ),
    ("select list(x order by t) as l from main.a"): (
        "SELECT TRANSFORM(ARRAY_SORT(COLLECT_LIST(NAMED_STRUCT('by_0', t, 'value', x))), r -> "
        "r.value) AS l FROM main.a"
    ),
    ("select last(x order by t) as l from main.a"): ("SELECT MAX_BY(x, STRUCT(t)) AS l FROM main.a"),
    ("select [v + 1 for v in x if v > 0] as l from main.a"): (
        "SELECT TRANSFORM(FILTER(x, v -> v > 0), v -> v + 1) AS l FROM main.a"
    ),
    ("select x[2:] as r, x[:k] as h, x[k] as o from main.a"): (
        "SELECT SLICE(x, CAST(( 2 ) AS INT), CAST(GREATEST(( SIZE(x) ) - ( 2 ) + 1, 0) AS INT)) "
        "AS r, SLICE(x, CAST(( 1 ) AS INT), CAST(GREATEST(( k ) - ( 1 ) + 1, 0) AS INT)) AS h, "
        "GET(x, CAST(( ( k ) - 1 ) AS INT)) AS o FROM main.a"
    ),
    ("select list_aggregate(x, 'fsum') as s from main.a"): (
        "SELECT IF( SIZE(x) > 0, AGGREGATE( x, CAST(0 AS DOUBLE), (s, v) -> CAST(( s + "
        "COALESCE(CAST(v AS DOUBLE), CAST(0 AS DOUBLE)) ) AS DOUBLE) ), NULL ) AS s FROM main.a"
    ),
    ("select list_inner_product(x, y) as s from main.a"): (
        "SELECT AGGREGATE( ZIP_WITH(x, y, (p, q) -> p * q), CAST(0 AS DOUBLE), (s, v) -> CAST(( s "
        "+ COALESCE(CAST(v AS DOUBLE), CAST(0 AS DOUBLE)) ) AS DOUBLE) ) AS s FROM main.a"
    ),
    ("select list_select(x, list_grade_up(k)) as s from main.a"): (
        "SELECT TRANSFORM( TRANSFORM(ARRAY_SORT(TRANSFORM(k, (v, i) -> NAMED_STRUCT('v', v, 'i', "
        "i + 1))), r -> r.i), i -> ELEMENT_AT(x, i) ) AS s FROM main.a"
    ),
    ("select list_reduce(x, (a, b) -> a + b) as s from main.a"): (
        "SELECT AGGREGATE(SLICE(x, 2, GREATEST(SIZE(x), 1)), GET(x, 0), (a, b) -> a + b) AS s FROM main.a"
    ),
    ("select list_median(x) as s from main.a"): (
        "SELECT ( ( GET( ARRAY_SORT(ARRAY_COMPACT(x)), CAST(FLOOR(( "
        "SIZE(ARRAY_SORT(ARRAY_COMPACT(x))) - 1 ) / 2) AS INT) ) + GET( "
        "ARRAY_SORT(ARRAY_COMPACT(x)), CAST(FLOOR(SIZE(ARRAY_SORT(ARRAY_COMPACT(x))) / 2) AS INT) "
        ") ) / 2 ) AS s FROM main.a"
    ),
    ("select len(x) as s from main.a"): ("SELECT SIZE(x) AS s FROM main.a"),
    (
        "select isodow(t) as d, date_diff('second', t, x) as s, to_minutes(k) as m, "
        "timezone('UTC', t + x) as u from main.a"
    ): (
        "SELECT ( WEEKDAY(t) + 1 ) AS d, TIMESTAMPDIFF(SECOND, t, x) AS s, MAKE_DT_INTERVAL(0, 0, "
        "k) AS m, TO_UTC_TIMESTAMP(MAKE_TIMESTAMP(t, x), 'UTC') AS u FROM main.a"
    ),
    ("select x ->> '$.a' as a, x -> 'b' as b, x::json as j, x::varchar[] as l from main.a"): (
        "SELECT GET_JSON_OBJECT(x, '$.a') AS a, GET_JSON_OBJECT(x, '$.b') AS b, x AS j, "
        "FROM_JSON(x, 'array<string>') AS l FROM main.a"
    ),
    ("select hash(k, x) as h from main.a"): ("SELECT STRUCT(k, x) AS h FROM main.a"),
}
REFUSED = [
    "select a.x from main.a as a asof join main.b as b on a.k = b.k",
    "select list(x order by t desc) as l from main.a",
    "select to_json(x) as j from main.a",
    "select timezone('UTC', t) as u from main.a",
    "select sum(x) over (order by t rows between 5 preceding and current row exclude group) as s from main.a",
]


def _translated(sql: str) -> str:
    return " ".join(translate(sql, COLUMNS.__getitem__, lambda _: CLASSES).split())


@pytest.mark.parametrize("sql", TRANSLATED)
def test_a_construct_is_given_to_spark_as_it_can_run_it(sql: str) -> None:
    assert _translated(sql) == TRANSLATED[sql]


@pytest.mark.parametrize("sql", REFUSED)
def test_what_has_no_counterpart_is_refused_by_name(sql: str) -> None:
    with pytest.raises(Untranslatable):
        _translated(sql)


def test_every_model_is_translated(small_world: World) -> None:
    nodes = small_world.dbt.manifest.nodes.values()
    told = {f"main.{node.name}": list(node.columns) for node in nodes if node.resource_type == "model"}
    told |= {
        f"{source.schema}.{source.name}": list(source.columns)
        for source in small_world.dbt.manifest.sources.values()
    }
    for name, sql in small_world.dbt.compiled().items():
        assert translate(sql, told.__getitem__, lambda names: [(5,) * len(names)]), name
