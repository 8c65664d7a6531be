{# Derived tables live in main, whatever the profile calls its schema. #}
{% macro generate_schema_name(custom_schema_name, node) %} {{- custom_schema_name or "main" -}} {% endmacro %}
