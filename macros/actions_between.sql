{# Joins what a vintage knows of splits and dividends by two sessions of a row: `bought` by the first, `sold` by
   the second; null before the first action. worth_of_a_share reads both. #}
{% macro actions_between(row, vintage, since, until) %}
    {% for name, session in (("bought", since), ("sold", until)) %}
        asof left join
            {{ ref("vintage_actions") }} as {{ name }}
            on {{ name }}.symbol = {{ row }}.symbol
            and {{ name }}.vintage = {{ row }}.{{ vintage }}
            and {{ row }}.{{ session }} >= {{ name }}.ex_date
    {% endfor %}
{% endmacro %}
