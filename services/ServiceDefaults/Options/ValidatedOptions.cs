using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Vigil.ServiceDefaults;

/// <summary>A setting that is not acceptable.</summary>
/// <param name="Property">Name of the property; the key is the section's name, a colon and this.</param>
/// <param name="Value">What is configured. Not shown for secrets: pass null there.</param>
/// <param name="Allowed">What is allowed, as a phrase.</param>
public sealed record OptionFault(string Property, object? Value, string Allowed);

/// <summary>Options that say what is wrong with them. Checked at start; the service does not start with a fault.</summary>
public interface IValidatedOptions
{
    /// <summary>All faults; none when the options can be used.</summary>
    IEnumerable<OptionFault> Validate();
}

/// <summary>Registration of options that are checked at start.</summary>
public static class ValidatedOptionsExtensions
{
    /// <summary>
    /// Binds a section to <typeparamref name="T"/> and checks it at start, together with its data annotations where it has any
    /// ranges of its own. A fault stops the service with a message that names the key, the value and what is allowed; a key that
    /// the section does not know is warned of.
    /// </summary>
    public static OptionsBuilder<T> AddValidatedOptions<T>(this IServiceCollection services, string section) where T : class, IValidatedOptions, new()
    {
        services.AddSingleton(new KnownSection(section, typeof(T)));
        services.AddSingleton<IValidateOptions<T>>(new FaultValidator<T>(section));
        return services.AddOptions<T>()
            .Configure<IConfiguration>((options, configuration) => OptionBinding.Bind(configuration, section, options))
            .ValidateOnStart();
    }

    /// <summary>Reads and checks a section at once, for what must be known while the service is being put together.</summary>
    /// <exception cref="OptionsValidationException">With the same messages as at start.</exception>
    public static T GetValidated<T>(this IConfiguration configuration, string section) where T : class, IValidatedOptions, new()
    {
        var options = new T();
        OptionBinding.Bind(configuration, section, options);
        var result = new FaultValidator<T>(section).Validate(null, options);
        if (result.Failed) throw new OptionsValidationException(section, typeof(T), result.Failures);
        return options;
    }

    private sealed class FaultValidator<T>(string section) : IValidateOptions<T> where T : class, IValidatedOptions
    {
        public ValidateOptionsResult Validate(string? name, T options)
        {
            var faults = options.Validate().Select(f => OptionBinding.Message($"{section}:{f.Property.Replace('.', ':')}", f.Value, f.Allowed)).ToArray();
            return faults.Length == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(faults);
        }
    }
}

/// <summary>A section and the type that says which keys it has.</summary>
internal sealed record KnownSection(string Section, Type Type);
