using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace Vigil.ServiceDefaults;

internal static class OptionBinding
{
    public static string Message(string key, object? value, string allowed)
    {
        var shown = value switch
        {
            null => "is not set",
            string { Length: 0 } => "is empty",
            IFormattable f => $"is '{f.ToString(null, CultureInfo.InvariantCulture)}'",
            _ => $"is '{value}'",
        };
        return $"{key} {shown}; allowed: {allowed} (environment variable {key.Replace(":", "__")})";
    }

    public static void Bind<T>(IConfiguration configuration, string section, T options) where T : class
    {
        try
        {
            configuration.GetSection(section).Bind(options);
        }
        catch (InvalidOperationException e)
        {
            // The binder stops at the first value that is not of its property's type; find it, so that the message is ours.
            throw new OptionsValidationException(section, typeof(T), [Unreadable(configuration.GetSection(section), typeof(T)) ?? e.Message]);
        }
    }

    private static string? Unreadable(IConfigurationSection section, Type type)
    {
        foreach (var property in type.GetProperties())
        {
            var child = section.GetSection(property.Name);
            var target = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            if (child.Value is not { } text) continue;
            var converter = System.ComponentModel.TypeDescriptor.GetConverter(target);
            if (!converter.CanConvertFrom(typeof(string)) || converter.IsValid(text)) continue;
            return Message(child.Path, text, Describe(target));
        }
        return null;
    }

    private static string Describe(Type type) =>
        type == typeof(TimeSpan) ? "a duration such as 00:00:10 (hours:minutes:seconds)"
        : type == typeof(bool) ? "true or false"
        : type.IsEnum ? string.Join(", ", Enum.GetNames(type))
        : type == typeof(Uri) ? "a URL"
        : type == typeof(double) || type == typeof(decimal) ? "a number"
        : type == typeof(int) || type == typeof(long) ? "a whole number"
        : $"a {type.Name}";
}
